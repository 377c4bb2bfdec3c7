/** Puts a sandbox back to one of its own snapshots, under the same id. finish-moves ends what a crash leaves of it. */
import { problem } from "@daytonah/lib/problem.ts";
import { moveSandbox } from "../db/move-sandbox.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import type { DbOrTx } from "../db/schema.ts";
import { lockReadySnapshot } from "../db/snapshots.ts";
import type { MoveCall } from "./begin-move.ts";
import type { CallerOptions } from "./create-sandbox.ts";
import type { ServiceDeps } from "./deps.ts";
import { place } from "./place.ts";
import { requireQuota } from "./require-quota.ts";
import { finishResume } from "./resume-sandbox.ts";
import { type MovedSandbox, runMove } from "./run-move.ts";
import { notMovable, snapshotNotFound } from "./sandbox-problems.ts";

export interface RollBackSandboxInput extends MoveCall {
  readonly snapshotId: string;
}

const rpc = "RollBackSandbox";

/** Also where the client goes away, the roll back goes on. */
export async function rollBackSandbox(
  deps: ServiceDeps,
  input: RollBackSandboxInput,
  caller: CallerOptions,
): Promise<MovedSandbox> {
  const { snapshotId, ...call } = input;
  const decide = (tx: DbOrTx, row: SandboxRow) => beginRollBack(tx, row, snapshotId);
  return runMove(deps, call, { rpc, request: { snapshotId }, decide }, finishResume, caller);
}

async function beginRollBack(tx: DbOrTx, row: SandboxRow, snapshotId: string) {
  const { id, epoch, state, template, vcpus, memory_mib: memoryMib, host_id } = row;
  if (state === "creating" || state === "pausing" || state === "resuming") return "wait";
  const settled = state === "running" || state === "paused" || state === "failed";
  if (!settled || host_id === null) throw notMovable(row, "be rolled back");
  const snapshot = await lockReadySnapshot(tx, row.org_id ?? "", snapshotId);
  if (snapshot?.sandbox_id !== id) throw snapshotNotFound(snapshotId);
  if (snapshot.host_id !== host_id) {
    throw problem("SANDBOX_STATE_CONFLICT", `The snapshot is on another host than the sandbox ${id}.`, {
      metadata: { sandbox_id: id, snapshot_id: snapshotId, host_id: snapshot.host_id ?? "" },
      // It moves after its sandbox, where the host of both was drained.
      ...(snapshot.transfer === null
        ? { nextStep: "Create a sandbox from the snapshot instead." }
        : { nextStep: "Call again after retry_delay: the snapshot is on its way.", retryDelayMs: 2_000 }),
    });
  }
  // A running one has its room already.
  if (state !== "running") {
    await requireQuota(tx, row.org_id ?? "", { vcpus, memoryMib });
    await place(tx, { template, vcpus, memoryMib, diskMib: 0, hostIds: [host_id], stays: true });
  }
  return (await moveSandbox(tx, { id, epoch, to: "resuming", rollBackTo: snapshotId })) ?? "wait";
}
