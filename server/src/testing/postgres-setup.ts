/** vitest's globalSetup of the tier `db`: one private PostgreSQL with a migrated template database. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { PgBoss } from "pg-boss";
import type { TestProject } from "vitest/node";
import { migrate } from "../db/migrate.ts";
import { openDatabase } from "../db/open-database.ts";
import { type PrivatePostgres, startPrivatePostgres } from "../private-postgres/private-postgres.ts";
import { urlOfDatabase } from "./test-database.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly postgresUrl: string;
  }
}

let dir: string;
let postgres: PrivatePostgres | undefined;

export async function setup(project: TestProject): Promise<void> {
  dir = mkdtempSync(join(tmpdir(), "dnah-pg-"));
  chmodSync(dir, 0o711);
  postgres = await startPrivatePostgres({ dataDir: dir, user: testAccount(), durable: false });
  const admin = new pg.Client(postgres.url);
  await admin.connect();
  await admin.query("create database template_test");
  {
    await using database = openDatabase({
      url: urlOfDatabase(postgres.url, "template_test"),
      maxConnections: 2,
      onIdleError: () => undefined,
    });
    await migrate(database.db);
    const boss = new PgBoss({ db: { executeSql: (text, values) => database.pool.query(text, values) } });
    await boss.start(); // its schema; a second, that each test's server then spares
    await boss.stop();
  }
  await admin.end();
  project.provide("postgresUrl", postgres.url);
}

export async function teardown(): Promise<void> {
  await postgres?.stop();
  rmSync(dir, { recursive: true, force: true });
}

/** Every Linux has it; only asked for where tests run as root. */
export function testAccount(): string {
  return "nobody";
}
