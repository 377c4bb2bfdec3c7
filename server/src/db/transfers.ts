/**
 * Moves of sandboxes between hosts. The code calls them transfers: a "move" is one from state to state. docs/many-hosts.md
 * has their table.
 */
import { sql } from "kysely";
import { claimEnd } from "./claims.ts";
import type { SandboxRow } from "./sandboxes.ts";
import type { DbOrTx, Tables } from "./schema.ts";

/** Begins one, claimed. The row is locked, and its room on the host is kept, both by the transaction. */
export async function insertTransfer(
  tx: DbOrTx,
  { id, hostId, resume }: { readonly id: string; readonly hostId: string; readonly resume: boolean },
): Promise<SandboxRow> {
  return tx
    .updateTable("sandboxes")
    .set({
      transfer: "copying",
      transfer_host_id: hostId,
      transfer_resume: resume,
      // Above that of each copy which was ever tried: a host takes none at or below what was deleted there.
      transfer_epoch: sql<string>`greatest(epoch, transfer_epoch) + 1`,
      transfer_claim_until: claimEnd,
    })
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** From now on it is on the other host. Undefined where that was given up, or it was woken or deleted meanwhile. */
export async function switchHost(db: DbOrTx, row: SandboxRow): Promise<SandboxRow | undefined> {
  const { rows } = await sql<SandboxRow>`
    with moved as (
      update sandboxes set
        transfer = 'landing', epoch = transfer_epoch, host_id = transfer_host_id, transfer_host_id = host_id,
        access_told = 0, lifecycle_told = 0
      where id = ${row.id} and epoch = ${row.epoch} and state = 'paused' and transfer = 'copying'
        and transfer_epoch = ${row.transfer_epoch}
      returning *
    ), told as (
      insert into events (org_id, sandbox_id, kind, epoch, data)
      select org_id, id, 'sandbox.moved', epoch, jsonb_build_object('from', transfer_host_id, 'to', host_id) from moved
    )
    select * from moved`.execute(db);
  return rows[0];
}

/** It stays where it is. Undefined where it is on the other host already, or being deleted. */
export async function giveUpTransfer(db: DbOrTx, row: SandboxRow): Promise<SandboxRow | undefined> {
  return db
    .updateTable("sandboxes")
    .set({ transfer: "landing" })
    .where("id", "=", row.id)
    .where("transfer", "=", "copying")
    .where("transfer_epoch", "=", row.transfer_epoch)
    .returningAll()
    .executeTakeFirst();
}

/** The copy that is left is the only one. Undefined where it was deleted meanwhile, or is still being paused. */
export async function endLanding(db: DbOrTx, row: SandboxRow): Promise<SandboxRow | undefined> {
  const resumes = sql<boolean>`(transfer_resume and state = 'paused')`;
  return db
    .updateTable("sandboxes")
    .set({
      transfer: sql<Tables["sandboxes"]["transfer"]>`case when ${resumes} then 'resuming' end`,
      transfer_resume: resumes,
      transfer_host_id: null,
    })
    .where("id", "=", row.id)
    .where("transfer", "=", "landing")
    .where("transfer_epoch", "=", row.transfer_epoch)
    .where("state", "<>", "pausing")
    .returningAll()
    .executeTakeFirst();
}

/** It runs again, or does not. */
export async function endTransfer(db: DbOrTx, { id }: SandboxRow): Promise<void> {
  await db
    .updateTable("sandboxes")
    .set({ transfer: null, transfer_resume: false })
    .where("id", "=", id)
    .where("transfer", "=", "resuming")
    .where("state", "<>", "resuming")
    .execute();
}

/** Its host says that it has nothing of this failed sandbox. */
export async function forgetHostOf(db: DbOrTx, { id, epoch }: SandboxRow): Promise<void> {
  await db
    .updateTable("sandboxes")
    .set({ host_id: null, transfer: null, transfer_host_id: null })
    .where("id", "=", id)
    .where("epoch", "=", epoch)
    .where("state", "=", "failed")
    .execute();
}

export async function countTransfersFrom(tx: DbOrTx, hostId: string): Promise<number> {
  const { count } = await tx
    .selectFrom("sandboxes")
    .select(sql<number>`count(*)::int`.as("count"))
    .where("host_id", "=", hostId)
    .where("transfer", "is not", null)
    .executeTakeFirstOrThrow();
  return count;
}

/** The next that can be moved off this host, locked: those that no server works on, and none that failed just now. */
export async function nextToTransfer(tx: DbOrTx, hostId: string): Promise<SandboxRow | undefined> {
  const { rows } = await sql<SandboxRow>`
    select s.* from sandboxes s left join transfer_failures f using (id)
    where s.host_id = ${hostId} and s.state in ('running', 'paused', 'failed') and s.transfer is null
      and coalesce(f.retry_time <= clock_timestamp(), true)
      and not exists (select from snapshots n where n.sandbox_id = s.id and n.state = 'creating')
    order by f.failures nulls first, s.state_time
    limit 1 for no key update of s skip locked`.execute(tx);
  return rows[0];
}
