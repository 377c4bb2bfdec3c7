/** The pools of connections, with limits on every wait. */
import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";
import { FairPool } from "./fair-pool.ts";
import type { Db, Tables } from "./schema.ts";

export interface Database extends AsyncDisposable {
  /** For callers' work. */
  readonly db: Db;
  /** For our own, by connections that no flood of calls takes: hosts freeze their VMs where leases are not renewed. */
  readonly reserved: Db;
  /** For prepared statements, which kysely does not name. */
  readonly pool: pg.Pool;
}

export interface DatabaseOptions {
  readonly url: string;
  readonly maxConnections: number;
  /** An idle connection broke; the pool has dropped it already. */
  readonly onIdleError: (error: Error) => void;
}

const reservedConnections = 8;

export function openDatabase(options: DatabaseOptions): Database {
  const pool = openPool(options, options.maxConnections);
  const reserved = openPool(options, reservedConnections);
  return {
    ...{ db: dbOn(pool), reserved: dbOn(reserved), pool },
    async [Symbol.asyncDispose]() {
      await Promise.all([pool.end(), reserved.end()]);
    },
  };
}

function dbOn(pool: pg.Pool): Db {
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

function openPool({ url, onIdleError }: DatabaseOptions, max: number): pg.Pool {
  const config = {
    connectionString: url,
    max,
    // Short: a caller is better served by DATABASE_UNAVAILABLE than by a long wait.
    connectionTimeoutMillis: 3_000,
    query_timeout: 15_000,
    statement_timeout: 14_000,
    idleTimeoutMillis: 60_000,
    application_name: "dnah-server",
  };
  const pool = new FairPool(config, Math.ceil(max / 2));
  pool.on("error", onIdleError);
  // One that breaks while a transaction holds it, between two queries, has no other listener, and Node would exit.
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}
