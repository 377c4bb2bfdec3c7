/** Writes a running VM's memory down and ends its processes. Where it fails the VM runs on. */
import { mkdir, rename } from "node:fs/promises";
import { syncFolder, syncPath } from "../host/disk/durable.ts";
import { requireDisk } from "./capacity.ts";
import { entryAt, wrongState } from "./entry-at.ts";
import { snapshotProblem } from "./snapshot-problem.ts";
import { Stages } from "./stages.ts";
import { goOn, quiesce } from "./stand-still.ts";
import { sweepVm } from "./supervise-vm.ts";
import type { VmDeps } from "./vm-deps.ts";
import { failureProblem, type LiveVm, sandboxPaused, type VmEntry } from "./vm-entry.ts";
import type { StageTime, VmRecord } from "./vm-record.ts";

export interface Paused {
  readonly record: VmRecord;
  /** Of this pause; none where it was paused already. */
  readonly stages: readonly StageTime[];
}

export interface PauseOptions {
  /** Asked once no call can begin any more. */
  readonly onlyIf?: () => boolean;
}

/** Idempotent by (sandbox, epoch). It goes on where its caller goes away. */
export async function pauseVm(
  deps: VmDeps,
  sandboxId: string,
  epoch: number,
  { onlyIf }: PauseOptions = {},
): Promise<Paused> {
  const entry = entryAt(deps.registry, sandboxId, epoch);
  return entry.operations.run(`${onlyIf ? "pause when due" : "pause"} ${epoch}`, async (signal) => {
    entryAt(deps.registry, sandboxId, epoch); // it may have become another one's while this waited
    const { record, live } = entry;
    if (record.state === "paused") return { record, stages: [] };
    if (record.state === "failed") throw failureProblem(record.failure);
    if (record.state !== "running" || !live) throw wrongState(entry);
    deps.lease.require();
    requireDisk(await deps.store.freeDiskMib(), record.memoryMib);
    using _held = entry.hold();
    await entry.uses.settle(signal);
    if (onlyIf && !onlyIf()) return { record, stages: [] };
    const stages = new Stages("quiesce");
    return { record: await pause(deps, entry, live, stages, signal), stages: stages.done };
  });
}

async function pause(
  deps: VmDeps,
  entry: VmEntry,
  live: LiveVm,
  stages: Stages,
  signal: AbortSignal,
): Promise<VmRecord> {
  const { registry, store, log } = deps;
  const { sandboxId } = entry;
  const { handle } = live.vm;
  const began = performance.now();
  await stages.time("quiesce", () => quiesce(deps, live, sandboxId, signal));
  await registry.move(entry, { state: "pausing", handle });
  let paused: VmRecord;
  try {
    await stages.time("stop", () => live.vm.pause({ signal }));
    await stages.time("memory", () => writeMemory(deps, entry, live, signal));
    const memory = await store.sealDisk(sandboxId);
    signal.throwIfAborted();
    paused = await registry.move(entry, { state: "paused", memory });
  } catch (error) {
    signal.throwIfAborted(); // a delete cleans
    await giveUp(deps, entry, live, signal);
    log.warn("vm.pause.failed", { vm: sandboxId, stage: stages.current, error });
    throw snapshotProblem(sandboxId, stages.current, error);
  }
  // From here on it is paused, whatever comes: its memory is as it was when it stopped.
  entry.endLive(sandboxPaused(sandboxId));
  await live.vm.kill();
  await sweepVm(deps, entry);
  log.info("vm.paused", { vm: sandboxId, ms: performance.now() - began, stages: stages.done });
  return paused;
}

async function writeMemory({ store }: VmDeps, entry: VmEntry, live: LiveVm, signal: AbortSignal): Promise<void> {
  const memory = store.memoryOf(entry.sandboxId);
  const draft = `${memory}.draft`;
  await store.removeMemory(entry.sandboxId);
  await mkdir(draft, { mode: 0o700 });
  await live.vm.snapshot(draft, { signal });
  await syncFolder(draft);
  await rename(draft, memory);
  await syncPath(store.dirOf(entry.sandboxId));
}

/** The memory first: it is no longer what the guest has as soon as that runs. */
async function giveUp(deps: VmDeps, entry: VmEntry, live: LiveVm, signal: AbortSignal): Promise<void> {
  const { record } = entry;
  if (record.state === "failed") throw failureProblem(record.failure); // it died meanwhile
  await deps.store.removeMemory(entry.sandboxId);
  await goOn(deps, live, entry.sandboxId, signal);
  await deps.registry.move(entry, { state: "running", handle: live.vm.handle, stages: [] });
}
