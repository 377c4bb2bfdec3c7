/** The keys that all servers share, sealed: see pki/platform-keys.ts. */
import type { DbOrTx } from "./schema.ts";

export async function readSealedKeys(db: DbOrTx): Promise<Buffer | undefined> {
  return (await db.selectFrom("platform_keys").select("sealed").executeTakeFirst())?.sealed;
}

/** Of servers that start at once, the first one's stay. */
export async function insertSealedKeys(db: DbOrTx, sealed: Buffer): Promise<void> {
  await db
    .insertInto("platform_keys")
    .values({ sealed })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
