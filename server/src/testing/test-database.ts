/** A database of its own for a test, copied from the migrated template. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";
import { type Database, openDatabase } from "../db/open-database.ts";

export interface TestDatabase extends Database {
  readonly url: string;
}

/** Disposal drops it, and fails while a connection that the test opened besides is still there. */
export async function testDatabase(): Promise<TestDatabase> {
  const adminUrl = inject("postgresUrl");
  const name = `test_${randomBytes(6).toString("hex")}`;
  await asAdmin(adminUrl, (admin) => admin.query(`create database ${name} template template_test`));
  const url = urlOfDatabase(adminUrl, name);
  const database = openDatabase({ url, maxConnections: 10, onIdleError: () => undefined });
  return {
    ...database,
    url,
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
      await asAdmin(adminUrl, (admin) => dropSoon(admin, name));
    },
  };
}

/** A backend goes a moment after its client did. */
async function dropSoon(admin: pg.Client, name: string): Promise<void> {
  const patience = Date.now() + 5_000;
  for (;;) {
    try {
      await admin.query(`drop database ${name}`);
      return;
    } catch (error) {
      if (Date.now() > patience) throw error;
    }
  }
}

export function urlOfDatabase(url: string, name: string): string {
  return url.replace(/@\/[a-z_0-9]+\?/, `@/${name}?`);
}

async function asAdmin(url: string, work: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  const admin = new pg.Client(url);
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.end();
  }
}
