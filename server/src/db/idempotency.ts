/** Idempotency keys: which request made what. */
import { sql } from "kysely";
import type { DbOrTx } from "./schema.ts";

export interface IdempotencyEntry {
  readonly orgId: string;
  readonly rpc: string;
  readonly key: string;
  readonly digest: Buffer;
  readonly resultId: string;
}

export type IdempotencyOutcome =
  | { readonly t: "new" }
  | { readonly t: "replay"; readonly resultId: string }
  | { readonly t: "reused" };

/** Takes the key for this result. Waits for a transaction that is just taking it. Inside a transaction. */
export async function takeKey(tx: DbOrTx, entry: IdempotencyEntry): Promise<IdempotencyOutcome> {
  // Again, where the key was forgotten between our insert and our look: each time another call was done, so this ends.
  for (;;) {
    const outcome = (await insertKey(tx, entry)) ?? (await lookUpKey(tx, entry));
    if (outcome) return outcome;
  }
}

async function insertKey(tx: DbOrTx, entry: IdempotencyEntry): Promise<{ readonly t: "new" } | undefined> {
  const inserted = await tx
    .insertInto("idempotency")
    .values({
      org_id: entry.orgId,
      rpc: entry.rpc,
      key: entry.key,
      request_digest: entry.digest,
      result_id: entry.resultId,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning("key")
    .executeTakeFirst();
  return inserted && { t: "new" };
}

/** What the key made before; undefined where it is free. */
export async function lookUpKey(
  db: DbOrTx,
  entry: Omit<IdempotencyEntry, "resultId">,
): Promise<Exclude<IdempotencyOutcome, { t: "new" }> | undefined> {
  const row = await db
    .selectFrom("idempotency")
    .select(["request_digest", "result_id"])
    .where("org_id", "=", entry.orgId)
    .where("rpc", "=", entry.rpc)
    .where("key", "=", entry.key)
    .executeTakeFirst();
  if (!row) return undefined;
  return row.request_digest.equals(entry.digest) ? { t: "replay", resultId: row.result_id } : { t: "reused" };
}

/** So that the same request makes something anew. */
export async function forgetKeysOf(tx: DbOrTx, orgId: string, resultId: string): Promise<void> {
  await tx.deleteFrom("idempotency").where("org_id", "=", orgId).where("result_id", "=", resultId).execute();
}

/** The same for one key. */
export async function forgetKey(
  db: DbOrTx,
  { orgId, rpc, key }: Pick<IdempotencyEntry, "orgId" | "rpc" | "key">,
): Promise<void> {
  await db
    .deleteFrom("idempotency")
    .where("org_id", "=", orgId)
    .where("rpc", "=", rpc)
    .where("key", "=", key)
    .execute();
}

/** Keys are kept for a day. */
export async function forgetOldKeys(db: DbOrTx): Promise<void> {
  await db
    .deleteFrom("idempotency")
    .where("create_time", "<", sql<Date>`clock_timestamp() - interval '1 day'`)
    .execute();
}
