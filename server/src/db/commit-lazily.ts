/** A commit that does not wait for the disk. */
import { sql } from "kysely";
import type { DbOrTx } from "./schema.ts";

/**
 * For the first of two commits where only the second is acknowledged: that one flushes both. What a crash of PostgreSQL
 * takes in between nobody was told of. Not for a create: no VM may be without a row that survives. Inside a transaction.
 */
export async function commitLazily(tx: DbOrTx): Promise<void> {
  await sql`set local synchronous_commit = off`.execute(tx);
}
