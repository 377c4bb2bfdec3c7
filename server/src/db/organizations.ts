/** Rows of organizations. */
import { type Selectable, sql } from "kysely";
import type { DbOrTx, Tables } from "./schema.ts";

export type OrganizationRow = Selectable<Tables["organizations"]>;

export async function insertOrganization(tx: DbOrTx, id: string, name: string): Promise<OrganizationRow> {
  return tx.insertInto("organizations").values({ id, name }).returningAll().executeTakeFirstOrThrow();
}

export async function organizationById(db: DbOrTx, id: string): Promise<OrganizationRow | undefined> {
  return db.selectFrom("organizations").selectAll().where("id", "=", id).executeTakeFirst();
}

export async function listOrganizations(db: DbOrTx, after: string, limit: number): Promise<readonly OrganizationRow[]> {
  return db.selectFrom("organizations").selectAll().where("id", ">", after).orderBy("id").limit(limit).execute();
}

/** Whether anything lives here. The lock makes servers that start at once ask one after the other. Inside a transaction. */
export async function hasOrganizations(tx: DbOrTx): Promise<boolean> {
  await sql`select pg_advisory_xact_lock(hashtext('dnah bootstrap'))`.execute(tx);
  const row = await tx.selectFrom("organizations").select("id").limit(1).executeTakeFirst();
  return row !== undefined;
}
