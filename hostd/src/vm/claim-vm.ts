/** Gives a VM that waits in a pool to a sandbox's owner: its record says so first, then its agent is told. */
import { entryOf, superseded, wrongState } from "./entry-at.ts";
import { personalizeInStages } from "./personalize.ts";
import { type ResumeVm, raised } from "./resume-vm.ts";
import { Stages } from "./stages.ts";
import type { VmDeps } from "./vm-deps.ts";
import { failureProblem } from "./vm-entry.ts";
import type { StageTime, VmRecord } from "./vm-record.ts";

export interface ClaimVm extends ResumeVm {
  readonly env: Readonly<Record<string, string>>;
}

export interface Claimed {
  readonly record: VmRecord;
  readonly stages: readonly StageTime[];
}

/** Idempotent by (sandbox, epoch): a repeat tells the agent again, which takes it once. */
export async function claimVm(deps: VmDeps, claim: ClaimVm): Promise<Claimed> {
  const { registry } = deps;
  const { sandboxId, epoch, requestId } = claim;
  const entry = entryOf(registry, sandboxId);
  return entry.operations.run(`claim ${epoch}`, async (signal) => {
    deps.lease.require();
    const { record } = entry;
    if (epoch < record.epoch) throw superseded(sandboxId, epoch, record.epoch, record.state);
    const wanted = epoch === record.epoch ? "claimed" : "standby";
    const { live } = entry;
    if (record.state === "failed") throw failureProblem(record.failure);
    if (record.state !== "running" || !live || record.pool !== wanted) throw wrongState(entry);
    if (wanted === "standby") {
      await registry.amend(entry, (newest) => ({
        ...newest,
        ...raised(newest, claim),
        env: { ...newest.env, ...claim.env },
        pool: "claimed",
      }));
    }
    const stages = new Stages("personalize");
    const told = { event: "claimed", keepEnvironment: true, env: claim.env, requestId } as const;
    const ended = AbortSignal.any([signal, live.ended.signal]);
    await personalizeInStages(stages, deps, live.agent, entry.record, told, { signal: ended });
    return { record: entry.record, stages: stages.done };
  });
}
