/** A move of one sandbox, whole: decided in the database, then done on its host. Also where the client goes away, it goes on. */
import { abortable } from "@daytonah/lib/deadline.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import { beginMove, type MoveCall, type MoveDecision, undoKey } from "./begin-move.ts";
import type { CallerOptions } from "./create-sandbox.ts";
import type { ServiceDeps } from "./deps.ts";
import type { Stage } from "./stages.ts";

export interface MovedSandbox {
  readonly row: SandboxRow;
  /** None where nothing was to be done. */
  readonly stages: readonly Stage[];
}

/** `finish` does on the host what was decided. Where it can't, the call's key is free for another try. */
export async function runMove(
  deps: ServiceDeps,
  call: MoveCall,
  decision: MoveDecision,
  finish: (deps: ServiceDeps, row: SandboxRow, requestId: string) => Promise<MovedSandbox>,
  { signal, requestId }: CallerOptions,
): Promise<MovedSandbox> {
  const { ours, row } = await beginMove(deps, call, decision, signal);
  if (!ours) return { row, stages: [] };
  const finished = finish(deps, row, requestId).catch(async (error: unknown) => {
    await undoKey(deps, call, decision.rpc);
    throw error;
  });
  return abortable(deps.background.run(finished), signal);
}
