/** Starts a VM. Idempotent by (sandbox, epoch): a repeat joins the start under way, or answers with its result. */
import { type Problem, problem, problemOf } from "@daytonah/lib/problem.ts";
import { bringUp, makeVmConfig } from "./bring-up.ts";
import { requireRoom } from "./capacity.ts";
import { superseded } from "./entry-at.ts";
import { Stages } from "./stages.ts";
import { type StartSource, sourceOfStart } from "./start-source.ts";
import { superviseVm, sweepVm } from "./supervise-vm.ts";
import type { VmDeps } from "./vm-deps.ts";
import { failureProblem, type VmEntry } from "./vm-entry.ts";
import type { VmAccess, VmFailure, VmLifecycle, VmRecord } from "./vm-record.ts";

export interface StartVm {
  readonly sandboxId: string;
  readonly epoch: number;
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  /** The template's size where 0. */
  readonly diskMib: number;
  readonly env: Readonly<Record<string, string>>;
  readonly access?: VmAccess;
  readonly lifecycle?: VmLifecycle;
  /** Starts from its disk and memory, with its sizes. */
  readonly snapshotId?: string;
  readonly standby?: boolean;
  readonly requestId: string;
}

/**
 * Resolves with the running VM's record. The start goes on where its caller goes away: a repeat finds it, and a
 * delete ends it.
 */
export async function startVm(deps: VmDeps, start: StartVm): Promise<VmRecord> {
  const joined = joinStart(deps, start);
  if (joined) return joined;
  deps.lease.require();
  const source = await sourceOfStart(deps, start);
  const disk = await deps.store.freeDiskMib();
  const raced = joinStart(deps, start); // another call may have come while this one asked for the disk
  if (raced) {
    source.release();
    return raced;
  }
  let entry: VmEntry;
  try {
    requireRoom(deps.size, deps.registry.roomTakers(), disk, { ...source, diskMib: source.takesDiskMib });
    entry = deps.registry.reserve({
      ...{ sandboxId: start.sandboxId, epoch: start.epoch, template: start.template },
      ...{ vcpus: source.vcpus, memoryMib: source.memoryMib, diskMib: source.diskMib, images: source.images },
      env: source.env,
      ...(start.snapshotId === undefined ? {} : { snapshotId: start.snapshotId }),
      ...(start.access ? { access: start.access } : {}),
      ...(start.lifecycle ? { lifecycle: start.lifecycle } : {}),
      ...(start.standby ? { pool: "standby" } : {}),
    });
  } catch (error) {
    source.release();
    throw error;
  }
  return entry.operations.run(keyOf(start), (signal) => runStart(deps, entry, source, start.requestId, signal));
}

const keyOf = ({ epoch }: Pick<StartVm, "epoch">) => `start ${epoch}`;

function joinStart({ registry, store }: VmDeps, start: StartVm): Promise<VmRecord> | undefined {
  const { sandboxId, epoch } = start;
  const buried = store.tombstone(sandboxId);
  if (epoch <= buried) throw superseded(sandboxId, epoch, buried, "deleted");
  const entry = registry.get(sandboxId);
  if (!entry) return undefined;
  const { record } = entry;
  if (epoch < record.epoch) throw superseded(sandboxId, epoch, record.epoch, record.state);
  if (epoch > record.epoch || record.state === "deleting" || entry.deletion) {
    throw problem(
      "SANDBOX_STATE_CONFLICT",
      `The host still has epoch ${record.epoch} of ${sandboxId}: delete it first.`,
      {
        metadata: { sandbox_id: sandboxId, state: record.state },
      },
    );
  }
  if (record.state === "failed") return Promise.reject(failureProblem(record.failure));
  return entry.operations.joined<VmRecord>(keyOf(start)) ?? Promise.resolve(record);
}

async function runStart(
  deps: VmDeps,
  entry: VmEntry,
  source: StartSource,
  requestId: string,
  signal: AbortSignal,
): Promise<VmRecord> {
  const { registry, store, log } = deps;
  const began = performance.now();
  const stages = new Stages("disk");
  const who = { vm: entry.sandboxId, epoch: entry.record.epoch };
  try {
    await registry.persist(entry);
    const plan = entry.record;
    const config = await stages.time("disk", () => makeVmConfig(deps, plan, source.makeDisk(plan, signal)));
    const { event, memory, env } = source;
    const told = { event, keepEnvironment: memory !== undefined, env, requestId };
    const { vm, agent } = await bringUp(
      deps,
      { config, plan, personalize: told, stages, ...(memory === undefined ? {} : { memory }) },
      signal,
    );
    const record = await registry
      .move(entry, { state: "running", handle: vm.handle, stages: stages.done })
      .catch(async (error: unknown) => {
        await vm.kill();
        throw error;
      });
    superviseVm(deps, entry, vm, agent);
    log.info("vm.started", { ...who, ms: performance.now() - began, stages: stages.done });
    return record;
  } catch (error) {
    const failure = failureOf(entry.sandboxId, stages.current, signal.aborted ? signal.reason : error);
    await sweepVm(deps, entry);
    await store.removeRootDisk(entry.sandboxId);
    if (!signal.aborted) await registry.move(entry, { state: "failed", failure });
    log.warn("vm.start.failed", { ...who, stage: stages.current, error });
    throw withCause(failureProblem(failure), error);
  } finally {
    source.release();
  }
}

function withCause({ reason, message, options }: Problem, cause: unknown): Problem {
  return problem(reason, message, { ...options, cause });
}

function failureOf(sandboxId: string, stage: string, error: unknown): VmFailure {
  const known = problemOf(error);
  const metadata = { sandbox_id: sandboxId, stage };
  if (known?.reason === "HOST_NO_SPACE" || known?.reason === "SANDBOX_STATE_CONFLICT") {
    return { reason: known.reason, message: known.message, metadata };
  }
  return { reason: "BOOT_FAILED", message: `The sandbox's VM did not come up: stage ${stage} failed.`, metadata };
}
