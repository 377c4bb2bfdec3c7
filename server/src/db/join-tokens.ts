/** Tokens with which a host may join, once. Only their hashes are kept. */
import { sql } from "kysely";
import type { DbOrTx } from "./schema.ts";

export interface NewJoinToken {
  readonly hash: Buffer;
  /** Empty: the host chooses. */
  readonly hostId: string;
  readonly ttlMs: number;
}

/** Returns when it ends. */
export async function insertJoinToken(db: DbOrTx, { hash, hostId, ttlMs }: NewJoinToken): Promise<Date> {
  const row = await db
    .insertInto("join_tokens")
    .values({
      hash,
      host_id: hostId,
      expire_time: sql<Date>`clock_timestamp() + make_interval(secs => ${ttlMs / 1000})`,
    })
    .returning("expire_time")
    .executeTakeFirstOrThrow();
  return row.expire_time;
}

export interface JoinTokenUse {
  readonly hash: Buffer;
  readonly hostId: string;
  readonly keyDigest: Buffer;
}

const holds = sql<boolean>`expire_time > clock_timestamp()`;

/** Compare-and-set: the token's own host id where it was free to be used, undefined where it was not. */
export async function useJoinToken(
  tx: DbOrTx,
  { hash, hostId, keyDigest }: JoinTokenUse,
  tlsName: string,
): Promise<{ readonly hostId: string } | undefined> {
  return tx
    .updateTable("join_tokens")
    .set({ used_host_id: hostId, used_key_digest: keyDigest, used_tls_name: tlsName })
    .where("hash", "=", hash)
    .where("used_host_id", "is", null)
    .where("host_id", "in", ["", hostId])
    .where(holds)
    .returning("host_id as hostId")
    .executeTakeFirst();
}

/** The name it got where this very host used the token before with this very key, and has not joined anew since. */
export async function nameOfJoined(tx: DbOrTx, { hash, hostId, keyDigest }: JoinTokenUse): Promise<string | undefined> {
  const row = await tx
    .selectFrom("join_tokens")
    .innerJoin("hosts", (join) =>
      join.onRef("hosts.id", "=", "used_host_id").onRef("hosts.tls_name", "=", "used_tls_name"),
    )
    .select("hosts.tls_name")
    .where("hash", "=", hash)
    .where("used_host_id", "=", hostId)
    .where("used_key_digest", "=", keyDigest)
    .where(holds)
    .executeTakeFirst();
  return row?.tls_name;
}

export async function forgetJoinTokens(db: DbOrTx): Promise<void> {
  await db
    .deleteFrom("join_tokens")
    .where("expire_time", "<", sql<Date>`clock_timestamp() - interval '1 day'`)
    .execute();
}
