/** The second half of a snapshot: SnapshotVm, then creating → ready or deleted. May be repeated after a crash. */
import type { SnapshotVmResponse } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { type Problem, problem, problemOf } from "@daytonah/lib/problem.ts";
import { releaseClaim, snapshotMoves } from "../db/claims.ts";
import { forgetKeysOf } from "../db/idempotency.ts";
import { moveSnapshot, type SnapshotRow, snapshotById } from "../db/snapshots.ts";
import { setTemplate } from "../db/templates.ts";
import { finishDeleteSnapshot } from "./delete-snapshot.ts";
import type { ServiceDeps } from "./deps.ts";
import { hostOf } from "./host-of.ts";
import { snapshotNotFound } from "./sandbox-problems.ts";
import { type Stage, stagesOf } from "./stages.ts";

export interface TakenSnapshot {
  readonly row: SnapshotRow;
  readonly stages: readonly Stage[];
}

/** The row is in creating and claimed by us. */
export async function takeSnapshot(deps: ServiceDeps, row: SnapshotRow, requestId: string): Promise<TakenSnapshot> {
  using _ = deps.claims.hold(row.id);
  const id = { sandboxId: row.sandbox_id, epoch: BigInt(row.sandbox_epoch), snapshotId: row.id };
  let answer: SnapshotVmResponse;
  try {
    answer = await hostOf(deps, { id: row.sandbox_id, host_id: row.host_id }).snapshotVm(id, { requestId });
  } catch (error) {
    throw await leaveSnapshot(deps, row, error);
  }
  const { sizeBytes = 0n, memoryKept = false } = answer.snapshot ?? {};
  const ready = await deps.db.transaction().execute(async (tx) => {
    const moved = await moveSnapshot(tx, { id: row.id, to: "ready", sizeBytes, memoryKept });
    if (moved) await setTemplate(tx, moved);
    return moved;
  });
  const now = ready ?? (await snapshotById(deps.db, row.id));
  // Where not: a repair in another server was as fast as we were, or it was given up.
  if (now?.state !== "ready") throw snapshotNotFound(row.id);
  return { row: now, stages: stagesOf(answer) };
}

/** Nobody knows what a silent host did: with a key it goes on without the caller. All else is undone. */
async function leaveSnapshot(deps: ServiceDeps, row: SnapshotRow, error: unknown): Promise<Problem> {
  const why = problemOf(error) ?? problem("INTERNAL", "The snapshot could not be taken.", { cause: error });
  if (why.reason === "HOST_UNAVAILABLE" && row.keyed) {
    await releaseClaim(deps.db, snapshotMoves, row.id);
    const nextStep = "Call again with the same idempotency key after retry_delay: it goes on meanwhile.";
    return problem("HOST_UNAVAILABLE", why.message, { ...why.options, nextStep, cause: why });
  }
  await abandonSnapshot(deps, row).catch((failure: unknown) => {
    deps.log.warn("snapshot.abandon_delayed", { snapshot: row.id, error: failure });
  });
  deps.log.warn("snapshot.failed", { snapshot: row.id, sandbox: row.sandbox_id, host: row.host_id, error: why });
  const metadata = { ...why.options.metadata, sandbox_id: row.sandbox_id };
  return problem(why.reason, why.message, { ...why.options, metadata, cause: why });
}

/** One that could not be taken, or that nobody could find again. Its key is free for another try. */
export async function abandonSnapshot(deps: ServiceDeps, row: SnapshotRow): Promise<void> {
  const moved = await deps.db.transaction().execute(async (tx) => {
    if (row.keyed) await forgetKeysOf(tx, row.org_id, row.id);
    return moveSnapshot(tx, { id: row.id, to: "deleting", from: ["creating"] });
  });
  if (!moved) return;
  void deps.background
    .run(finishDeleteSnapshot(deps, moved))
    .catch((error: unknown) => deps.log.debug("snapshot.delete_delayed", { snapshot: row.id, error }));
}
