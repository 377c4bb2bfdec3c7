/** Pauses a sandbox: decided in the database first, then done on its host. */

import type { PauseVmResponse } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { commitLazily } from "../db/commit-lazily.ts";
import { moveSandbox } from "../db/move-sandbox.ts";
import { type SandboxRow, sandboxById } from "../db/sandboxes.ts";
import type { MoveCall, MoveDecision } from "./begin-move.ts";
import type { CallerOptions } from "./create-sandbox.ts";
import type { ServiceDeps } from "./deps.ts";
import { hostOf } from "./host-of.ts";
import { leaveMove } from "./leave-move.ts";
import { move } from "./move.ts";
import { type MovedSandbox, runMove } from "./run-move.ts";
import { failureOf, notMovable, stateConflict } from "./sandbox-problems.ts";
import { stagesOf } from "./stages.ts";

const decision: MoveDecision = {
  rpc: "PauseSandbox",
  request: {},
  async decide(tx, row) {
    if (row.state === "paused") return "as it should be";
    if (row.state === "creating" || row.state === "pausing" || row.state === "resuming") return "wait";
    if (row.state !== "running") throw notMovable(row, "pause");
    await commitLazily(tx);
    return (await moveSandbox(tx, { id: row.id, epoch: row.epoch, to: "pausing" })) ?? "wait";
  },
};

/** Also where the client goes away, the pause goes on. */
export async function pauseSandbox(deps: ServiceDeps, call: MoveCall, caller: CallerOptions): Promise<MovedSandbox> {
  return runMove(deps, call, decision, finishPause, caller);
}

/** The row is in pausing and claimed by us. May be repeated after a crash. */
export async function finishPause(deps: ServiceDeps, row: SandboxRow, requestId: string): Promise<MovedSandbox> {
  using _ = deps.claims.hold(row.id);
  let answer: PauseVmResponse;
  try {
    answer = await hostOf(deps, row).pauseVm({ sandboxId: row.id, epoch: BigInt(row.epoch) }, { requestId });
  } catch (error) {
    throw await leaveMove(deps, row, error);
  }
  const memoryKept = answer.vm?.memoryKept ?? false;
  const paused = await move(deps, { id: row.id, epoch: row.epoch, to: "paused", from: ["pausing"], memoryKept });
  if (paused) return { row: paused, stages: stagesOf(answer) };
  const now = await sandboxById(deps.db, row.id);
  // A repair in another server was as fast as we were, with the same result.
  if (now?.state === "paused" && now.epoch === row.epoch) return { row: now, stages: stagesOf(answer) };
  throw now?.state === "failed" ? failureOf(now) : stateConflict(now, row.id);
}
