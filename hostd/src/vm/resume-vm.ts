/** Runs a paused or failed VM on with a higher epoch: from its memory where that is kept, else from its disk. */
import { isDeepStrictEqual } from "node:util";
import { type Problem, problem, problemOf } from "@daytonah/lib/problem.ts";
import { bringUp, makeVmConfig } from "./bring-up.ts";
import { requireRoom } from "./capacity.ts";
import { entryOf, requireUnsealed, superseded, wrongState } from "./entry-at.ts";
import { Stages } from "./stages.ts";
import { superviseVm, sweepVm } from "./supervise-vm.ts";
import type { VmDeps } from "./vm-deps.ts";
import { failureProblem, type VmEntry } from "./vm-entry.ts";
import {
  conditionOf,
  type FailedCondition,
  type PausedCondition,
  type VmAccess,
  type VmLifecycle,
  type VmPlan,
  type VmRecord,
} from "./vm-record.ts";

export interface ResumeVm {
  readonly sandboxId: string;
  readonly epoch: number;
  readonly access?: VmAccess;
  readonly lifecycle?: VmLifecycle;
  readonly requestId: string;
}

/** Idempotent by (sandbox, epoch). It goes on where its caller goes away; where it fails the VM is as it was. */
export async function resumeVm(deps: VmDeps, resume: ResumeVm): Promise<VmRecord> {
  const { sandboxId, epoch } = resume;
  const entry = entryOf(deps.registry, sandboxId);
  return entry.operations.run(`resume ${epoch}`, async (signal) => {
    const { record } = entry;
    if (epoch < record.epoch) throw superseded(sandboxId, epoch, record.epoch, record.state);
    if (record.state === "running") {
      // Its host woke it by itself meanwhile, or this is a repeat.
      return epoch === record.epoch
        ? record
        : deps.registry.amend(entry, (newest) => ({ ...newest, ...raised(newest, resume) }));
    }
    if (record.state !== "paused" && record.state !== "failed") throw wrongState(entry);
    if (epoch === record.epoch) throw wrongState(entry); // that start is over
    return runAgain(deps, entry, record, { plan: raised(record, resume), requestId: resume.requestId }, signal);
  });
}

/** What a command with a new epoch changes of the plan: of access and lifecycle the newest stays. */
export function raised(record: VmPlan, { epoch, access, lifecycle }: Pick<ResumeVm, "epoch" | "access" | "lifecycle">) {
  return {
    epoch,
    ...(epoch > record.epoch ? { wakes: 0 } : {}),
    ...(access && access.version > (record.access?.version ?? 0) ? { access } : {}),
    ...(lifecycle && lifecycle.version > (record.lifecycle?.version ?? 0) ? { lifecycle } : {}),
  };
}

export interface RunAgain {
  /** What changes of it. The same epoch where the host wakes it by itself. */
  readonly plan: Partial<VmPlan>;
  readonly requestId: string;
}

/** To be called as an operation of the entry's. */
export async function runAgain(
  deps: VmDeps,
  entry: VmEntry,
  before: VmRecord & (PausedCondition | FailedCondition),
  { plan, requestId }: RunAgain,
  signal: AbortSignal,
): Promise<VmRecord> {
  const { registry, store, log } = deps;
  const { sandboxId } = entry;
  deps.lease.require();
  requireUnsealed(before);
  const stamp = await store.stampOf(sandboxId);
  if (!stamp) throw before.state === "failed" ? failureProblem(before.failure) : wrongState(entry);
  const free = await store.freeDiskMib();
  const others = registry.roomTakers().filter((record) => record.sandboxId !== sandboxId);
  requireRoom(deps.size, others, free, { ...before, diskMib: 0 });
  const began = performance.now();
  const memory = before.state === "paused" && isDeepStrictEqual(before.memory, stamp) ? stamp : undefined;
  const stages = new Stages(memory ? "restore" : "vmm");
  const condition = { before: conditionOf(before, memory !== undefined), epochBefore: before.epoch };
  entry.takesRoom = true; // before anything waits: the room is given once
  try {
    await sweepVm(deps, entry);
    await registry.move(entry, { state: "resuming", ...condition }, plan);
    const who = { vm: sandboxId, epoch: entry.record.epoch };
    try {
      if (!memory) await store.removeMemory(sandboxId);
      const { record } = entry;
      const { vm, agent } = await bringUp(
        deps,
        {
          config: await makeVmConfig(deps, record),
          ...(memory ? { memory: store.memoryOf(sandboxId) } : {}),
          plan: record,
          personalize: {
            ...{ event: "resumed", keepEnvironment: memory !== undefined, requestId },
            env: memory ? {} : (record.env ?? {}),
          },
          stages,
          onVmm: (handle) => registry.move(entry, { state: "resuming", ...condition, handle }),
        },
        signal,
      );
      const running = await registry
        .move(entry, { state: "running", handle: vm.handle, stages: stages.done })
        .catch(async (error: unknown) => {
          await vm.kill();
          throw error;
        });
      superviseVm(deps, entry, vm, agent);
      await store.discardMemory(sandboxId); // it no longer fits the disk
      log.info("vm.resumed", { ...who, ms: performance.now() - began, stages: stages.done });
      return running;
    } catch (error) {
      signal.throwIfAborted(); // a delete cleans
      log.warn("vm.resume.failed", { ...who, stage: stages.current, error });
      await sweepVm(deps, entry);
      await fallBack(deps, entry);
      throw resumeProblem(sandboxId, stages.current, error);
    }
  } finally {
    entry.takesRoom = false;
  }
}

/** What a resume that came to nothing leaves: all it began with, but for memory that no longer fits the disk. */
export async function fallBack({ registry, store }: Pick<VmDeps, "registry" | "store">, entry: VmEntry) {
  const { record } = entry;
  if (record.state !== "resuming") return;
  const { before, epochBefore } = record;
  let after = before;
  if (before.state === "paused" && before.memory) {
    const fits = isDeepStrictEqual(before.memory, await store.stampOf(entry.sandboxId));
    if (!fits) {
      after = conditionOf(before, false);
      await store.removeMemory(entry.sandboxId);
    }
  }
  await registry.move(entry, after, { epoch: epochBefore });
}

function resumeProblem(sandboxId: string, stage: string, cause: unknown): Problem {
  const known = problemOf(cause);
  if (known?.reason === "HOST_NO_SPACE") return known;
  return problem("RESTORE_FAILED", `The sandbox could not be restored: stage ${stage} failed.`, {
    metadata: { sandbox_id: sandboxId, stage },
    cause,
  });
}
