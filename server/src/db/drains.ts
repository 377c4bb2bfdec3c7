/** Hosts that are being drained, and what is in the way of that. */

import type { HostRow } from "./hosts.ts";
import type { DbOrTx } from "./schema.ts";

/** False where there is no such host. */
export async function setDraining(db: DbOrTx, id: string, draining: boolean): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("hosts")
    .set({ draining, obstacle_reason: null, obstacle_message: null })
    .where("id", "=", id)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function drainingHosts(db: DbOrTx): Promise<readonly string[]> {
  const rows = await db.selectFrom("hosts").select("id").where("draining", "=", true).orderBy("id").execute();
  return rows.map(({ id }) => id);
}

/** Lets one server at a time decide what moves off this host. Undefined where another is at it, it does not answer, or is not drained any more. */
export async function lockDrainingHost(tx: DbOrTx, id: string): Promise<HostRow | undefined> {
  return tx
    .selectFrom("hosts")
    .selectAll()
    .where("id", "=", id)
    .where("draining", "=", true)
    .where("state", "=", "ready")
    .forNoKeyUpdate()
    .skipLocked()
    .executeTakeFirst();
}

/** Undefined: nothing is in the way. */
export async function noteObstacle(
  db: DbOrTx,
  hostId: string,
  obstacle: { readonly reason: string; readonly message: string } | undefined,
): Promise<void> {
  await db
    .updateTable("hosts")
    .set({ obstacle_reason: obstacle?.reason ?? null, obstacle_message: obstacle?.message ?? null })
    .where("id", "=", hostId)
    .where("draining", "=", true)
    .execute();
}
