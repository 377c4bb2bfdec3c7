/** Gives up what is on a host that is gone for good. */
import { sql } from "kysely";
import { moveSandbox } from "./move-sandbox.ts";
import type { SandboxRow } from "./sandboxes.ts";
import type { DbOrTx } from "./schema.ts";
import { forgetTombstone } from "./tombstones.ts";

const failure = { reason: "HOST_LOST", message: "Its host was removed for good, and its disk with it." };

/** The sandboxes that were on it. Inside the transaction that removes the host. */
export async function abandonHost(tx: DbOrTx, hostId: string): Promise<readonly SandboxRow[]> {
  await abandonSnapshots(tx, hostId);
  await leaveTransfers(tx, hostId);
  await tx.deleteFrom("sandboxes").where("host_id", "=", hostId).where("org_id", "is", null).execute(); // of pools
  const rows = await tx.selectFrom("sandboxes").selectAll().where("host_id", "=", hostId).forNoKeyUpdate().execute();
  for (const row of rows) await abandonSandbox(tx, row);
  return rows;
}

async function abandonSandbox(tx: DbOrTx, row: SandboxRow): Promise<void> {
  const { id, epoch, state } = row;
  if (state === "deleted") {
    await tx.updateTable("sandboxes").set({ purge_time: null }).where("id", "=", id).execute();
    await forgetTombstone(tx, row);
    return;
  }
  if (state === "deleting") await moveSandbox(tx, { id, epoch, to: "deleted" });
  else await moveSandbox(tx, { id, epoch, to: "failed", failure });
  const { reason: failure_reason, message: failure_message } = failure;
  await tx
    .updateTable("sandboxes")
    .set({ host_id: null, memory_kept: false, transfer: null, transfer_host_id: null, transfer_resume: false })
    .$if(state !== "deleting", (query) => query.set({ failure_reason, failure_message }))
    .where("id", "=", id)
    .execute();
}

/** Templates that stand on them go as well. */
async function abandonSnapshots(tx: DbOrTx, hostId: string): Promise<void> {
  await sql`delete from templates where snapshot_id in (select id from snapshots where host_id = ${hostId})`.execute(
    tx,
  );
  await sql`
    with gone as (
      update snapshots set state = 'deleted', claim_until = null, transfer = null, transfer_host_id = null
      where host_id = ${hostId} and state <> 'deleted'
      returning *
    )
    insert into events (org_id, sandbox_id, kind, epoch, data)
    select org_id, sandbox_id, 'snapshot.deleted', sandbox_epoch, jsonb_build_object('snapshot_id', id)
    from gone where not internal`.execute(tx);
}

/** What was on its way there stays where it is, and of what came from there nothing is left to be removed. */
async function leaveTransfers(tx: DbOrTx, hostId: string): Promise<void> {
  for (const table of ["sandboxes", "snapshots"] as const) {
    await tx
      .updateTable(table)
      .set({ transfer: "landing", transfer_host_id: null })
      .where("transfer_host_id", "=", hostId)
      .execute();
  }
}
