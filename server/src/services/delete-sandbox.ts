/** Deletes a sandbox in any state: decided in the database first, then done on its host. */
import { abortable } from "@daytonah/lib/deadline.ts";
import { releaseClaim, sandboxMoves, takeClaim } from "../db/claims.ts";
import { commitLazily } from "../db/commit-lazily.ts";
import { takeKey } from "../db/idempotency.ts";
import { moveSandbox } from "../db/move-sandbox.ts";
import { forgetPoolVm } from "../db/pool-vms.ts";
import { type SandboxRow, sandboxById, sandboxOf } from "../db/sandboxes.ts";
import type { DbOrTx } from "../db/schema.ts";
import { takeTombstone } from "../db/tombstones.ts";
import type { SandboxState } from "../domain/sandbox-state.ts";
import type { ServiceDeps } from "./deps.ts";
import { hostOf } from "./host-of.ts";
import { digestOf, idempotencyKeyReused } from "./idempotent.ts";
import { move } from "./move.ts";
import { purgeSandbox } from "./purge-sandbox.ts";
import { sandboxNotFound, stateConflict } from "./sandbox-problems.ts";
import { stopForTombstone } from "./stop-for-tombstone.ts";
import { landTransfer } from "./transfers/land-transfer.ts";
import { whileBusy } from "./while-busy.ts";

export interface DeleteSandboxInput {
  readonly orgId: string;
  readonly sandboxId: string;
  /** Empty: none. */
  readonly idempotencyKey: string;
  /** Keeps nothing, and ends the tombstone of one that is deleted. */
  readonly purge: boolean;
}

const rpc = "DeleteSandbox";

/** Until when it can be taken back; null where it can't. */
export async function deleteSandbox(
  deps: ServiceDeps,
  input: DeleteSandboxInput,
  signal: AbortSignal,
): Promise<Date | null> {
  const { orgId, sandboxId, purge } = input;
  const begun = await deps.db.transaction().execute((tx) => beginDelete(deps, tx, input));
  deps.onMoved(sandboxId);
  if (begun.t === "ours") await abortable(deps.background.run(finishDelete(deps, begun.row)), signal);
  else {
    const byUs = await finishOrAwait(deps, sandboxId, signal);
    const tombstone = purge ? await takeTombstone(deps.db, orgId, sandboxId) : undefined;
    if (tombstone) await abortable(deps.background.run(purgeSandbox(deps, tombstone)), signal);
    else if (!byUs && begun.t === "another's") throw sandboxNotFound(sandboxId);
  }
  return (await sandboxById(deps.db, sandboxId))?.purge_time ?? null;
}

type Begun =
  | { readonly t: "ours"; readonly row: SandboxRow }
  /** The same call again: its answer is the first one's. */
  | { readonly t: "replay" }
  | { readonly t: "another's" };

async function beginDelete({ tombstoneMs }: ServiceDeps, tx: DbOrTx, input: DeleteSandboxInput): Promise<Begun> {
  await commitLazily(tx);
  const { orgId, sandboxId, idempotencyKey, purge } = input;
  if (idempotencyKey !== "") {
    const digest = digestOf({ sandboxId, purge });
    const taken = await takeKey(tx, { orgId, rpc, key: idempotencyKey, digest, resultId: sandboxId });
    if (taken.t === "reused") throw idempotencyKeyReused(idempotencyKey);
    if (taken.t === "replay") return { t: "replay" };
  }
  // Again, where it moved between our look and our move: each time it is further along, so this ends.
  for (let left = 10; left > 0; left--) {
    const row = await sandboxOf(tx, orgId, sandboxId);
    const tombstone = row?.state === "deleted" && row.host_id !== null;
    if (!row || (row.state === "deleted" && !(purge && tombstone))) throw sandboxNotFound(sandboxId);
    if (row.state === "deleting" || tombstone) return { t: "another's" };
    const keepMs = purge ? 0 : tombstoneMs;
    const moved = await moveSandbox(tx, { id: row.id, epoch: row.epoch, to: "deleting", keepMs });
    if (moved) return { t: "ours", row: moved };
  }
  throw stateConflict(await sandboxById(tx, sandboxId), sandboxId);
}

/** Until it is deleted. True where whoever was at it had given up, and we did it. */
async function finishOrAwait(deps: ServiceDeps, sandboxId: string, signal: AbortSignal): Promise<boolean> {
  return whileBusy(deps.clock, signal, async () => {
    const row = await sandboxById(deps.db, sandboxId);
    if (row?.state !== "deleting") return false;
    const taken = await takeClaim(deps.db, sandboxMoves, sandboxId);
    if (!taken) return "busy";
    await abortable(deps.background.run(finishDelete(deps, taken)), signal);
    return true;
  });
}

/** The row is in deleting and claimed by us. May be repeated after a crash. */
export async function finishDelete(deps: ServiceDeps, row: SandboxRow): Promise<void> {
  using _ = deps.claims.hold(row.id);
  try {
    if (row.transfer !== null) await landTransfer(deps, row);
    const kept = row.host_id !== null && row.purge_time !== null ? await stopForTombstone(deps, row) : undefined;
    if (row.host_id !== null && !kept) {
      await hostOf(deps, row).deleteVm({ sandboxId: row.id, epoch: BigInt(row.epoch) }, {});
    }
    if (row.org_id === null) await forgetPoolVm(deps.db, row);
    else await move(deps, { id: row.id, epoch: row.epoch, to: "deleted", kept });
  } catch (error) {
    // For finish-deletes or the next caller; where even this fails, the claim runs out.
    await releaseClaim(deps.db, sandboxMoves, row.id).catch(() => undefined);
    throw error;
  }
  deps.log.debug("sandbox.deleted", { sandbox: row.id });
}

/** Its host has stopped it at the end of its time. Where the delete can't be finished now, the loop finish-deletes does. */
export async function deleteExpired(deps: ServiceDeps, row: SandboxRow): Promise<void> {
  const from = ["running", "paused", "lost"] as const;
  const moved = await move(deps, { id: row.id, epoch: row.epoch, to: "deleting", from, keepMs: deps.tombstoneMs });
  if (!moved) return;
  void deps.background
    .run(finishDelete(deps, moved))
    .catch((error: unknown) => deps.log.debug("sandbox.delete_delayed", { sandbox: row.id, error }));
}

/** A create whose caller is gone, or is told that it failed: nobody could find it, also where it was made meanwhile. */
export async function abandonCreate(deps: ServiceDeps, { id }: SandboxRow): Promise<void> {
  await deleteCreated(deps, id, ["creating", "running"]);
}

/** A create that its server left. Where that was only slow and has made it since, its caller has been told: it stays. */
export async function undoCreate(deps: ServiceDeps, { id }: SandboxRow): Promise<void> {
  await deleteCreated(deps, id, ["creating"]);
}

async function deleteCreated(deps: ServiceDeps, id: string, from: readonly SandboxState[]): Promise<void> {
  // As it is now: where the VM of a pool was no more, it is at a higher epoch.
  const row = await sandboxById(deps.db, id);
  if (!row) return;
  const moved = await move(deps, { id, epoch: row.epoch, to: "deleting", from });
  if (moved) await finishDelete(deps, moved);
}
