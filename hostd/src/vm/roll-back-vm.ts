/** Puts a VM back to a snapshot, and runs it from there. Until the snapshot's disk and memory are copied it is as it was. */
import { mkdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { problem } from "@daytonah/lib/problem.ts";
import { syncFolder, syncPath } from "../host/disk/durable.ts";
import { requireDisk } from "./capacity.ts";
import { entryOf, requireUnsealed, superseded, wrongState } from "./entry-at.ts";
import { type ResumeVm, raised, runAgain } from "./resume-vm.ts";
import { snapshotProblem } from "./snapshot-problem.ts";
import type { Snapshot } from "./snapshot-store.ts";
import { sweepVm } from "./supervise-vm.ts";
import type { VmDeps } from "./vm-deps.ts";
import type { VmEntry } from "./vm-entry.ts";
import type { PausedCondition, VmRecord } from "./vm-record.ts";

export interface RollBackVm extends ResumeVm {
  readonly snapshotId: string;
}

/** Idempotent by (sandbox, epoch). It goes on where its caller goes away. */
export async function rollBackVm(deps: VmDeps, rollBack: RollBackVm): Promise<VmRecord> {
  const { registry, snapshots, log } = deps;
  const { sandboxId, epoch, snapshotId, requestId } = rollBack;
  const entry = entryOf(registry, sandboxId);
  return entry.operations.run(`roll back ${epoch}`, async (signal) => {
    deps.lease.require();
    const { record } = entry;
    if (epoch < record.epoch) throw superseded(sandboxId, epoch, record.epoch, record.state);
    requireUnsealed(record);
    if (epoch === record.epoch) {
      if (record.state === "running") return record;
      // It is back there already, and could not be run.
      if (record.state !== "paused" || record.rollBack?.snapshotId !== snapshotId) throw wrongState(entry);
    } else {
      if (record.state !== "running" && record.state !== "paused" && record.state !== "failed") throw wrongState(entry);
      using use = snapshots.use(snapshotId);
      await prepare(deps, entry, use.snapshot, signal);
      const { vcpus, memoryMib, diskMib, images } = use.snapshot.manifest;
      const plan = { ...raised(record, rollBack), vcpus, memoryMib, diskMib, images };
      const memory = use.snapshot.memory !== undefined;
      // The point of no return: a crash from here on is finished by the next daemon.
      await registry.move(entry, { state: "paused", rollBack: { snapshotId, memory, applied: false } }, plan);
      const ended = problem("SANDBOX_STATE_CONFLICT", "The sandbox was rolled back to a snapshot while the call ran.", {
        metadata: { sandbox_id: sandboxId, state: "resuming" },
      });
      await entry.endLive(ended)?.vm.kill();
      await sweepVm(deps, entry);
      await finishRollBack(deps, entry);
      log.info("vm.rolled_back", { vm: sandboxId, epoch, snapshot: snapshotId });
    }
    const back = entry.record;
    if (back.state !== "paused") throw wrongState(entry);
    return runAgain(deps, entry, back, { plan: {}, requestId }, signal);
  });
}

/** Copies what the snapshot has beside what the VM has. */
async function prepare(deps: VmDeps, entry: VmEntry, snapshot: Snapshot, signal: AbortSignal): Promise<void> {
  const { files, store } = deps;
  const { sandboxId, record } = entry;
  const whole = store.rollBackOf(sandboxId);
  const draft = `${whole}.draft`;
  try {
    requireDisk(await store.freeDiskMib(), await files.copyTakesMib(snapshot.disk));
    await store.removeRollBack(sandboxId);
    await mkdir(draft, { mode: 0o711 });
    await files.makeRootDisk(snapshot.disk, join(draft, "root.ext4"), snapshot.manifest.diskMib, record.slot, signal);
    if (snapshot.memory !== undefined) {
      await files.linkMemory(snapshot.memory, join(draft, "memory"));
      await syncFolder(join(draft, "memory"));
    }
    await syncPath(join(draft, "root.ext4"));
    await syncPath(draft);
    await rename(draft, whole);
    await syncPath(store.dirOf(sandboxId));
  } catch (error) {
    await store.removeRollBack(sandboxId);
    signal.throwIfAborted();
    throw snapshotProblem(sandboxId, "disk", error);
  }
}

/**
 * Puts the files of a roll back into their places, each by one rename, so that it may be repeated after a crash at any
 * point; then says so. Of a VM that goes back to nothing it removes what a crash before the record left.
 */
export async function finishRollBack({ registry, store }: VmDeps, entry: VmEntry): Promise<void> {
  const { record, sandboxId } = entry;
  const from = store.rollBackOf(sandboxId);
  if (record.state === "paused" && record.rollBack && !record.rollBack.applied) {
    const { rollBack } = record;
    if (!rollBack.memory || (await isThere(join(from, "memory")))) await store.removeMemory(sandboxId);
    await renameIfThere(join(from, "memory"), store.memoryOf(sandboxId));
    await renameIfThere(join(from, "root.ext4"), store.rootDiskOf(sandboxId));
    await syncPath(store.dirOf(sandboxId));
    const stamp = await store.sealDisk(sandboxId);
    const paused: PausedCondition = {
      ...{ state: "paused", rollBack: { ...rollBack, applied: true } },
      ...(rollBack.memory ? { memory: stamp } : {}),
    };
    await registry.move(entry, paused);
  }
  await store.removeRollBack(sandboxId);
}

async function renameIfThere(from: string, to: string): Promise<void> {
  if (await isThere(from)) await rename(from, to);
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
