/** Deletes a snapshot: decided in the database first, then done on its host. Sandboxes made from it stay whole. */
import { abortable } from "@daytonah/lib/deadline.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { releaseClaim, snapshotMoves } from "../db/claims.ts";
import type { DbOrTx } from "../db/schema.ts";
import { moveSnapshot, type SnapshotRow, sandboxMadeFrom, snapshotOf } from "../db/snapshots.ts";
import { templateOn } from "../db/templates.ts";
import { Busy, unlessBusy } from "./busy.ts";
import type { ServiceDeps } from "./deps.ts";
import { hostOf } from "./host-of.ts";
import { snapshotNotFound } from "./sandbox-problems.ts";
import { whileBusy } from "./while-busy.ts";

/** Resolves when its space is given back. Also where the client goes away, the delete goes on. */
export async function deleteSnapshot(
  deps: ServiceDeps,
  { orgId, snapshotId }: { readonly orgId: string; readonly snapshotId: string },
  signal: AbortSignal,
): Promise<void> {
  const begin = () =>
    deps.db
      .transaction()
      .execute((tx) => beginDelete(tx, orgId, snapshotId))
      .catch(unlessBusy);
  const row = await whileBusy(deps.clock, signal, begin);
  await abortable(deps.background.run(finishDeleteSnapshot(deps, row)), signal);
}

/** Busy while it is being taken, or deleted by another call: that one's end is awaited. */
async function beginDelete(tx: DbOrTx, orgId: string, snapshotId: string): Promise<SnapshotRow> {
  const row = await snapshotOf(tx, orgId, snapshotId);
  if (!row || row.state === "deleted") throw snapshotNotFound(snapshotId);
  if (row.state !== "ready") throw new Busy();
  const template = await templateOn(tx, snapshotId);
  if (template !== undefined) {
    throw problem("RESOURCE_IN_USE", `The template ${template} stands on the snapshot ${snapshotId}.`, {
      metadata: { snapshot_id: snapshotId, used_by: `template ${template}` },
    });
  }
  const child = await sandboxMadeFrom(tx, snapshotId);
  if (child !== undefined) {
    throw problem("RESOURCE_IN_USE", `The sandbox ${child} is being made from the snapshot ${snapshotId}.`, {
      metadata: { snapshot_id: snapshotId, used_by: `sandbox ${child}` },
      nextStep: "Call again when that sandbox runs.",
      retryDelayMs: 1_000,
    });
  }
  // Not while it moves to another host.
  const moved = await moveSnapshot(tx, { id: snapshotId, to: "deleting", from: ["ready"] });
  if (!moved) throw new Busy();
  return moved;
}

/** The row is in deleting and claimed by us. May be repeated after a crash. */
export async function finishDeleteSnapshot(deps: ServiceDeps, row: SnapshotRow): Promise<void> {
  using _ = deps.claims.hold(row.id);
  try {
    await hostOf(deps, { id: row.sandbox_id, host_id: row.host_id }).deleteVmSnapshot(row.id, {});
    await moveSnapshot(deps.db, { id: row.id, to: "deleted" });
  } catch (error) {
    // For the loop finish-snapshots; where even this fails, the claim runs out.
    await releaseClaim(deps.db, snapshotMoves, row.id).catch(() => undefined);
    throw error;
  }
}
