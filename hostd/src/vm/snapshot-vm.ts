/** Keeps memory and disk of a running or paused VM under a snapshot's id. The VM is as it was. */
import { mkdir } from "node:fs/promises";
import { syncFolder, syncPath } from "../host/disk/durable.ts";
import { requireDisk } from "./capacity.ts";
import { entryAt, wrongState } from "./entry-at.ts";
import { snapshotBytes } from "./snapshot-bytes.ts";
import { snapshotProblem } from "./snapshot-problem.ts";
import type { SnapshotDraft, SnapshotManifest } from "./snapshot-store.ts";
import { Stages } from "./stages.ts";
import { goOn, quiesce } from "./stand-still.ts";
import type { VmDeps } from "./vm-deps.ts";
import { failureProblem, type LiveVm, type VmEntry } from "./vm-entry.ts";
import type { StageTime } from "./vm-record.ts";

export interface SnapshotVm {
  readonly sandboxId: string;
  readonly epoch: number;
  readonly snapshotId: string;
}

export interface SnapshotTaken {
  readonly manifest: SnapshotManifest;
  /** None where it was there already. */
  readonly stages: readonly StageTime[];
}

/** Idempotent by the snapshot's id. It goes on where its caller goes away. */
export async function snapshotVm(deps: VmDeps, { sandboxId, epoch, snapshotId }: SnapshotVm): Promise<SnapshotTaken> {
  const there = deps.snapshots.get(snapshotId);
  if (there) return { manifest: there, stages: [] };
  const entry = entryAt(deps.registry, sandboxId, epoch);
  return entry.operations.run(`snapshot ${snapshotId}`, async (signal) => {
    entryAt(deps.registry, sandboxId, epoch);
    const { record } = entry;
    if (record.state === "failed") throw failureProblem(record.failure);
    if (record.state !== "running" && record.state !== "paused") throw wrongState(entry);
    deps.lease.require();
    const began = performance.now();
    const stages = new Stages("quiesce");
    try {
      const disk = await deps.files.copyTakesMib(deps.store.rootDiskOf(sandboxId));
      requireDisk(await deps.store.freeDiskMib(), disk + record.memoryMib);
      const manifest = await deps.snapshots.make(snapshotId, (draft) =>
        fill(deps, entry, snapshotId, draft, stages, signal),
      );
      const who = { vm: sandboxId, snapshot: snapshotId };
      deps.log.info("vm.snapshot", { ...who, ms: performance.now() - began, stages: stages.done });
      return { manifest, stages: stages.done };
    } catch (error) {
      signal.throwIfAborted();
      deps.log.warn("vm.snapshot.failed", { vm: sandboxId, snapshot: snapshotId, stage: stages.current, error });
      if (entry.record.state === "failed") throw failureProblem(entry.record.failure); // it died meanwhile
      throw snapshotProblem(sandboxId, stages.current, error);
    }
  });
}

async function fill(
  deps: VmDeps,
  entry: VmEntry,
  snapshotId: string,
  draft: SnapshotDraft,
  stages: Stages,
  signal: AbortSignal,
): Promise<SnapshotManifest> {
  const { record, live, sandboxId } = entry;
  const { files, store } = deps;
  let memoryKept = true;
  if (record.state === "paused") {
    memoryKept = record.memory !== undefined;
    if (memoryKept) await stages.time("memory", () => files.linkMemory(store.memoryOf(sandboxId), draft.memory));
    await stages.time("disk", () => files.copyDisk(store.rootDiskOf(sandboxId), draft.disk, signal));
  } else if (live) {
    await copyRunning(deps, entry, live, draft, stages, signal);
  } else {
    throw wrongState(entry);
  }
  await syncPath(draft.disk);
  if (memoryKept) await syncFolder(draft.memory);
  const { vcpus, memoryMib, diskMib, epoch, template, images, env = {} } = record;
  return {
    ...{ formatVersion: 1, snapshotId, sandboxId, epoch, template, images, env, vcpus, memoryMib, diskMib },
    ...{ memoryKept, sizeBytes: await snapshotBytes(draft, memoryKept, files.sharesBlocks) },
  };
}

/** Memory and disk of one instant: the guest stands still until both are copied, and goes on whatever came of it. */
async function copyRunning(
  deps: VmDeps,
  entry: VmEntry,
  live: LiveVm,
  draft: SnapshotDraft,
  stages: Stages,
  signal: AbortSignal,
): Promise<void> {
  const { files, store } = deps;
  const { sandboxId } = entry;
  using _held = entry.hold();
  await entry.uses.settle(signal);
  await stages.time("quiesce", () => quiesce(deps, live, sandboxId, signal));
  const began = performance.now();
  let failed: { readonly error: unknown } | undefined;
  try {
    await mkdir(draft.memory, { mode: 0o700 });
    await stages.time("stop", () => live.vm.pause({ signal }));
    await stages.time("memory", () => live.vm.snapshot(draft.memory, { signal }));
    await stages.time("disk", () => files.copyDisk(store.rootDiskOf(sandboxId), draft.disk, signal));
  } catch (error) {
    failed = { error };
  }
  await goOn(deps, live, sandboxId, signal);
  if (failed) throw failed.error;
  stages.done.push({ stage: "window", ms: performance.now() - began });
}
