/** Moves of snapshots between hosts. Snapshots don't change, so that there is nothing to seal. */
import { sql } from "kysely";
import { claimEnd } from "./claims.ts";
import type { DbOrTx } from "./schema.ts";
import { type SnapshotRow, sandboxMadeFrom } from "./snapshots.ts";

/** Begins one, claimed. The row is locked by the transaction. */
export async function insertSnapshotTransfer(tx: DbOrTx, id: string, hostId: string): Promise<SnapshotRow> {
  return tx
    .updateTable("snapshots")
    .set({ transfer: "copying", transfer_host_id: hostId, transfer_claim_until: claimEnd })
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** From now on it is on the other host. Undefined where that was given up, or a sandbox is just being made from it. Inside a transaction. */
export async function switchSnapshotHost(tx: DbOrTx, row: SnapshotRow): Promise<SnapshotRow | undefined> {
  if ((await sandboxMadeFrom(tx, row.id)) !== undefined) return undefined;
  const { rows } = await sql<SnapshotRow>`
    update snapshots set transfer = 'landing', host_id = transfer_host_id, transfer_host_id = host_id
    where id = ${row.id} and state = 'ready' and transfer = 'copying' and host_id = ${row.host_id}
      and transfer_host_id = ${row.transfer_host_id}
    returning *`.execute(tx);
  return rows[0];
}

/** It stays where it is. */
export async function giveUpSnapshotTransfer(db: DbOrTx, row: SnapshotRow): Promise<SnapshotRow | undefined> {
  return db
    .updateTable("snapshots")
    .set({ transfer: "landing" })
    .where("id", "=", row.id)
    .where("transfer", "=", "copying")
    .where("transfer_host_id", "=", row.transfer_host_id)
    .returningAll()
    .executeTakeFirst();
}

/** The copy that is left is the only one. */
export async function endSnapshotTransfer(db: DbOrTx, { id, host_id }: SnapshotRow): Promise<void> {
  await db
    .updateTable("snapshots")
    .set({ transfer: null, transfer_host_id: null })
    .where("id", "=", id)
    .where("host_id", "=", host_id)
    .where("transfer", "=", "landing")
    .execute();
}

export async function countSnapshotTransfersFrom(tx: DbOrTx, hostId: string): Promise<number> {
  const { count } = await tx
    .selectFrom("snapshots")
    .select(sql<number>`count(*)::int`.as("count"))
    .where("host_id", "=", hostId)
    .where("transfer", "is not", null)
    .executeTakeFirstOrThrow();
  return count;
}

/**
 * The next that can be moved off this host, locked, and where its sandbox is now; null for one that has no host. Those of
 * sandboxes that are still here wait for them, so that both end on the same host.
 */
export async function nextSnapshotToTransfer(
  tx: DbOrTx,
  hostId: string,
): Promise<(SnapshotRow & { readonly home: string | null }) | undefined> {
  const { rows } = await sql<SnapshotRow & { readonly home: string | null }>`
    select n.*, case when s.state <> 'deleted' then s.host_id end as home
    from snapshots n join sandboxes s on s.id = n.sandbox_id left join transfer_failures f on f.id = n.id
    where n.host_id = ${hostId} and n.state = 'ready' and not n.internal and n.transfer is null
      and coalesce(f.retry_time <= clock_timestamp(), true)
      and (s.state = 'deleted' or s.host_id is distinct from ${hostId})
    order by f.failures nulls first, n.create_time
    limit 1 for no key update of n skip locked`.execute(tx);
  return rows[0];
}

/** Then its sandbox goes only where these can go as well. */
export async function hasSnapshotWithMemory(tx: DbOrTx, sandboxId: string): Promise<boolean> {
  const row = await tx
    .selectFrom("snapshots")
    .select("id")
    .where("sandbox_id", "=", sandboxId)
    .where("state", "=", "ready")
    .where("memory_kept", "=", true)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
