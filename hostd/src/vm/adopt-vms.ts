/**
 * After a start of the daemon: compares what is written down with what runs, takes over every VM that lives, and
 * cleans what the dead left. Nothing is served before it is done. What can't be cleaned keeps its slot, not the daemon.
 */
import { withDeadline } from "@daytonah/lib/deadline.ts";
import type { VmHandle } from "../vmm/vmm.ts";
import { removeVm } from "./delete-vm.ts";
import { freezeVm } from "./freeze-vms.ts";
import { uidsInUse } from "./host-uids.ts";
import { personalize } from "./personalize.ts";
import { fallBack } from "./resume-vm.ts";
import { finishRollBack } from "./roll-back-vm.ts";
import { runOn } from "./stand-still.ts";
import { superviseVm, sweepSlot, sweepVm, vmDied } from "./supervise-vm.ts";
import type { VmDeps } from "./vm-deps.ts";
import type { VmEntry } from "./vm-entry.ts";

export interface AdoptionReport {
  adopted: number;
  /** They have no process, and are kept. */
  paused: number;
  /** They ran, and do no more. */
  died: number;
  /** Their start or delete was under way. */
  finished: number;
  /** Folders, run directories and users with processes that no record knows. */
  strays: number;
  unreadable: number;
  /** Of what was to be cleaned, something stays: their slots are given to nobody. */
  unswept: number;
}

const atOnce = 8;

export async function adoptVms(deps: VmDeps, options: { readonly signal: AbortSignal }): Promise<AdoptionReport> {
  const { registry, store, log } = deps;
  const report: AdoptionReport = { adopted: 0, paused: 0, died: 0, finished: 0, strays: 0, unreadable: 0, unswept: 0 };
  await deps.moves.open();
  for (const { snapshotId, error } of await deps.snapshots.open()) {
    log.error("snapshot.unreadable", { snapshot: snapshotId, error });
  }
  const { records, strays, unreadable } = await store.load(deps.now());
  for (const record of records) registry.restore(record);
  for (const { sandboxId, error } of unreadable) {
    log.error("vm.record.unreadable", { vm: sandboxId, error });
    const slot = await deps.files.slotOwning(store.rootDiskOf(sandboxId));
    if (slot !== undefined) registry.withhold(slot);
  }
  report.unreadable = unreadable.length;

  const waiting = registry.entries();
  const worker = async () => {
    for (let entry = waiting.pop(); entry; entry = waiting.pop()) {
      try {
        report[await adoptVm(deps, entry, options.signal)] += 1;
      } catch (error) {
        options.signal.throwIfAborted();
        registry.withhold(entry.record.slot);
        report.unswept += 1;
        log.error("vm.unswept", { vm: entry.sandboxId, slot: entry.record.slot, error });
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));

  for (const sandboxId of strays) {
    try {
      await store.removeStray(sandboxId);
      report.strays += 1;
    } catch (error) {
      const slot = await deps.files.slotOwning(store.rootDiskOf(sandboxId));
      if (slot !== undefined) registry.withhold(slot);
      report.unswept += 1;
      log.error("vm.stray.unswept", { vm: sandboxId, error });
    }
  }
  await sweepStraySlots(deps, report, options.signal);
  const needed = [...registry.entries().map(({ record }) => record), ...deps.snapshots.list()];
  await deps.images.prune(new Set(needed.flatMap(({ images }) => Object.values(images))));
  log.info("vms.adopted", { ...report });
  return report;
}

type Adopted = "adopted" | "died" | "finished" | "paused";

async function adoptVm(deps: VmDeps, entry: VmEntry, signal: AbortSignal): Promise<Adopted> {
  const { registry, store } = deps;
  const { record } = entry;
  const { sandboxId } = record;
  if (record.epoch <= store.tombstone(sandboxId) || record.state === "deleting") {
    entry.deletion = removeVm(deps, entry);
    try {
      await entry.deletion;
    } catch (error) {
      delete entry.deletion; // so that a repeated delete tries again
      throw error;
    }
    return "finished";
  }
  if (record.state !== "paused") await store.removeRollBack(sandboxId); // one that did not come to its record
  switch (record.state) {
    case "running":
      return (await takeOver(deps, entry, record.handle, signal)) ? "adopted" : died(deps, entry);
    case "pausing":
      if (await store.hasMemory(sandboxId)) {
        // Whole, and written by a guest that stood still and has not run since: nothing is missing but to say so.
        await sweepVm(deps, entry);
        await registry.move(entry, { state: "paused", memory: await store.sealDisk(sandboxId) });
        return "paused";
      }
      return (await takeOver(deps, entry, record.handle, signal)) ? "adopted" : died(deps, entry);
    case "resuming":
      // Without a lease it must not run, and who it is was not told to it yet.
      if (record.handle && !deps.lease.frozen && (await takeOver(deps, entry, record.handle, signal))) return "adopted";
      await sweepVm(deps, entry);
      await fallBack(deps, entry);
      return "paused";
    case "paused":
      await sweepVm(deps, entry); // a crash may have come before the first sweep
      await finishRollBack(deps, entry);
      if (entry.record.state === "paused" && !entry.record.memory) await store.removeMemory(sandboxId);
      return "paused";
    case "starting": {
      const message = "The sandbox's VM did not come up: its host's daemon ended meanwhile.";
      const metadata = { sandbox_id: sandboxId, stage: "daemon" };
      try {
        await sweepVm(deps, entry);
        await store.removeRootDisk(sandboxId);
      } finally {
        await registry.move(entry, { state: "failed", failure: { reason: "BOOT_FAILED", message, metadata } });
      }
      return "finished";
    }
    case "failed":
      await sweepVm(deps, entry); // as above
      return "finished";
    default:
      return record satisfies never;
  }
}

async function died(deps: VmDeps, entry: VmEntry): Promise<"died"> {
  const failure = vmDied(entry.sandboxId, "ended while its host's daemon was away");
  try {
    await sweepVm(deps, entry);
  } finally {
    await deps.registry.move(entry, { state: "failed", failure }); // it runs no more, whatever is left of it
  }
  return "died";
}

/** Takes over a VM that lives, and runs it on where it was stopped for a pause or a snapshot that came to nothing. */
async function takeOver(deps: VmDeps, entry: VmEntry, handle: VmHandle, signal: AbortSignal): Promise<boolean> {
  const { registry, store, lease, limits, vmm } = deps;
  const { sandboxId, record } = entry;
  using deadline = withDeadline(signal, limits.adoptMs, () => {
    return new Error(`the agent did not answer within ${limits.adoptMs} ms`);
  });
  try {
    const vm = await vmm.adopt(handle, deadline);
    if (!vm) return false;
    // The memory first: it is no longer what the guest has as soon as that runs.
    if (record.state !== "resuming") await store.removeMemory(sandboxId);
    const agent = deps.agentAt(vm.vsockPath);
    if (lease.frozen && record.state !== "resuming") {
      if (record.state !== "running") await registry.move(entry, { state: "running", handle, stages: [] });
      await freezeVm(entry, superviseVm(deps, entry, vm, agent), deadline.signal);
      return true;
    }
    await runOn(deps, { vm, agent }, deadline.signal);
    if (record.state === "resuming" || record.pool === "claimed") {
      const event = record.state === "resuming" ? "resumed" : "claimed";
      const told = { event, keepEnvironment: true, env: record.env ?? {}, requestId: "" } as const;
      await personalize(deps, agent, record, told, deadline);
    }
    if (record.state !== "running") await registry.move(entry, { state: "running", handle, stages: [] });
    superviseVm(deps, entry, vm, agent);
    await store.removeMemory(sandboxId);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    deps.log.warn("vm.adopt.failed", { vm: sandboxId, error });
    return false;
  }
}

/** Run directories and users with processes whose slot no record has, or only one of a VM that is over. */
async function sweepStraySlots(deps: VmDeps, report: AdoptionReport, signal: AbortSignal): Promise<void> {
  const { files, registry, limits } = deps;
  const live = registry.entries().flatMap((entry) => (entry.live ? [entry.record.slot] : []));
  const owned = new Set([...registry.withheld(), ...live]);
  const uids = await uidsInUse(files.firstUid, limits.slots);
  const used = new Set([...(await files.usedSlots()), ...[...uids].map((uid) => uid - files.firstUid)]);
  const strays = [...used].filter((slot) => !owned.has(slot));
  for (const slot of strays) {
    try {
      await sweepSlot(deps, slot);
      report.strays += 1;
      deps.log.warn("vm.stray.swept", { slot });
    } catch (error) {
      signal.throwIfAborted();
      registry.withhold(slot);
      report.unswept += 1;
      deps.log.error("vm.stray.unswept", { slot, error });
    }
  }
}
