import { fileURLToPath } from "node:url";
import pg from "pg";
import { expect, inject, test } from "vitest";
import { describeSchema } from "../testing/describe-schema.ts";
import { testDatabase, urlOfDatabase } from "../testing/test-database.ts";
import { migrate, migrations } from "./migrate.ts";
import { openDatabase } from "./open-database.ts";

test("the migrations result in db/schema.sql", async () => {
  await using database = await testDatabase();
  const file = fileURLToPath(new URL("schema.sql", import.meta.url));
  await expect(await describeSchema(database.pool)).toMatchFileSnapshot(file);
});

test("servers that start at once migrate one after the other", async () => {
  const adminUrl = inject("postgresUrl");
  const admin = new pg.Client(adminUrl);
  await admin.connect();
  await admin.query("create database test_migrate_at_once");
  {
    const url = urlOfDatabase(adminUrl, "test_migrate_at_once");
    const open = () => openDatabase({ url, maxConnections: 2, onIdleError: () => undefined });
    await using a = open();
    await using b = open();
    await using c = open();
    await Promise.all([migrate(a.db), migrate(b.db), migrate(c.db)]);
    const { rows } = await a.pool.query("select name from kysely_migration");
    expect(rows.map(({ name }) => name)).toEqual(Object.keys(migrations));
  }
  await admin.query("drop database test_migrate_at_once with (force)");
  await admin.end();
});
