/** Resumes a sandbox: from its memory, from its disk where there is no memory of it, or from a snapshot it goes back to. */

import type { ResumeVmResponse, RollBackVmResponse } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { moveSandbox } from "../db/move-sandbox.ts";
import { type SandboxRow, sandboxById } from "../db/sandboxes.ts";
import type { DbOrTx } from "../db/schema.ts";
import { vmLifecycleOf } from "../domain/lifecycle.ts";
import { vmAccessOf } from "../domain/vm-access.ts";
import type { MoveCall } from "./begin-move.ts";
import type { CallerOptions } from "./create-sandbox.ts";
import type { ServiceDeps } from "./deps.ts";
import { hostOf } from "./host-of.ts";
import { leaveMove } from "./leave-move.ts";
import { move } from "./move.ts";
import { place } from "./place.ts";
import { requireQuota } from "./require-quota.ts";
import { type MovedSandbox, runMove } from "./run-move.ts";
import { failureOf, notMovable, stateConflict } from "./sandbox-problems.ts";
import { stagesOf } from "./stages.ts";

export interface ResumeSandboxInput extends MoveCall {
  /** Undefined: as it was. */
  readonly timeoutMs: number | undefined;
}

const rpc = "ResumeSandbox";

/** Also where the client goes away, the resume goes on. */
export async function resumeSandbox(
  deps: ServiceDeps,
  input: ResumeSandboxInput,
  caller: CallerOptions,
): Promise<MovedSandbox> {
  const { timeoutMs, ...call } = input;
  const decide = (tx: DbOrTx, row: SandboxRow) => beginResume(tx, row, timeoutMs);
  return runMove(deps, call, { rpc, request: { timeoutMs }, decide }, finishResume, caller);
}

async function beginResume(tx: DbOrTx, row: SandboxRow, timeoutMs: number | undefined) {
  if (row.state === "running") return "as it should be";
  if (row.state === "creating" || row.state === "pausing" || row.state === "resuming") return "wait";
  if ((row.state !== "paused" && row.state !== "failed") || row.host_id === null) throw notMovable(row, "resume");
  const { template, vcpus, memory_mib: memoryMib, host_id } = row;
  await requireQuota(tx, row.org_id ?? "", { vcpus, memoryMib });
  // Its disk is there already.
  await place(tx, { template, vcpus, memoryMib, diskMib: 0, hostIds: [host_id], stays: true });
  return (await moveSandbox(tx, { id: row.id, epoch: row.epoch, to: "resuming", timeoutMs })) ?? "wait";
}

/** The row is in resuming and claimed by us. May be repeated after a crash. */
export async function finishResume(deps: ServiceDeps, row: SandboxRow, requestId: string): Promise<MovedSandbox> {
  using _ = deps.claims.hold(row.id);
  let answer: ResumeVmResponse | RollBackVmResponse;
  try {
    answer = await runOn(deps, row, requestId);
  } catch (error) {
    throw await leaveMove(deps, row, error);
  }
  const { id, epoch, roll_back_to: rolledBackTo } = row;
  const running = await move(deps, { id, epoch, to: "running", from: ["resuming"], rolledBackTo });
  if (running) return { row: running, stages: stagesOf(answer) };
  const now = await sandboxById(deps.db, row.id);
  // A repair in another server was as fast as we were, with the same result.
  if (now?.state === "running" && now.epoch === row.epoch) return { row: now, stages: stagesOf(answer) };
  throw now?.state === "failed" ? failureOf(now) : stateConflict(now, row.id);
}

function runOn(deps: ServiceDeps, row: SandboxRow, requestId: string): Promise<ResumeVmResponse | RollBackVmResponse> {
  const host = hostOf(deps, row);
  const [access, lifecycle] = [vmAccessOf(deps.tokenKey, row), vmLifecycleOf(row)];
  const plan = { sandboxId: row.id, epoch: BigInt(row.epoch), access, lifecycle };
  if (row.roll_back_to === null) return host.resumeVm(plan, { requestId });
  return host.rollBackVm({ ...plan, snapshotId: row.roll_back_to }, { requestId });
}
