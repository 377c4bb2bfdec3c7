/** Rows of API keys. Their secrets are nowhere. */
import { type Selectable, sql } from "kysely";
import type { Scope } from "../domain/scope.ts";
import type { DbOrTx, Tables } from "./schema.ts";

export type ApiKeyRow = Selectable<Tables["api_keys"]>;

export interface NewApiKey {
  readonly id: string;
  readonly orgId: string;
  readonly name: string;
  readonly hash: Buffer;
  readonly prefix: string;
  readonly scopes: readonly Scope[];
}

export async function insertApiKey(tx: DbOrTx, key: NewApiKey): Promise<ApiKeyRow> {
  return tx
    .insertInto("api_keys")
    .values({ id: key.id, org_id: key.orgId, name: key.name, hash: key.hash, prefix: key.prefix, scopes: key.scopes })
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function apiKeyOf(db: DbOrTx, orgId: string, id: string): Promise<ApiKeyRow | undefined> {
  return db.selectFrom("api_keys").selectAll().where("id", "=", id).where("org_id", "=", orgId).executeTakeFirst();
}

/** The live ones, newest first. */
export async function listApiKeys(
  db: DbOrTx,
  orgId: string,
  after: { readonly createTime: Date; readonly id: string } | undefined,
  limit: number,
): Promise<readonly ApiKeyRow[]> {
  return db
    .selectFrom("api_keys")
    .selectAll()
    .where("org_id", "=", orgId)
    .where("revoke_time", "is", null)
    .$if(after !== undefined, (query) =>
      query.where(sql<boolean>`(create_time, id) < (${after?.createTime}, ${after?.id})`),
    )
    .orderBy("create_time", "desc")
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
}

/** False where there is no such live key. */
export async function revokeApiKey(db: DbOrTx, orgId: string, id: string): Promise<boolean> {
  const row = await db
    .updateTable("api_keys")
    .set({ revoke_time: sql<Date>`clock_timestamp()` })
    .where("id", "=", id)
    .where("org_id", "=", orgId)
    .where("revoke_time", "is", null)
    .returning("id")
    .executeTakeFirst();
  return row !== undefined;
}

export async function isKeyInForce(db: DbOrTx, id: string): Promise<boolean> {
  const row = await db
    .selectFrom("api_keys")
    .select("id")
    .where("id", "=", id)
    .where("revoke_time", "is", null)
    .executeTakeFirst();
  return row !== undefined;
}
