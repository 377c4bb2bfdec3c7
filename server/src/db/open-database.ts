/** The pool of connections, with limits on every wait. */
import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import type { Db, Tables } from "./schema.ts";

export interface Database extends AsyncDisposable {
  readonly db: Db;
  /** For prepared statements, which kysely does not name. */
  readonly pool: pg.Pool;
}

export interface DatabaseOptions {
  readonly url: string;
  readonly maxConnections: number;
  /** An idle connection broke; the pool has dropped it already. */
  readonly onIdleError: (error: Error) => void;
}

export function openDatabase(options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.maxConnections,
    // Short: a caller is better served by DATABASE_UNAVAILABLE than by a long wait.
    connectionTimeoutMillis: 3_000,
    query_timeout: 15_000,
    statement_timeout: 14_000,
    idleTimeoutMillis: 60_000,
    application_name: "dnah-server",
  });
  pool.on("error", options.onIdleError);
  // One that breaks while a transaction holds it, between two queries, has no other listener, and Node would exit.
  pool.on("connect", (client) => client.on("error", () => undefined));
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return { db, pool, [Symbol.asyncDispose]: () => pool.end() };
}
