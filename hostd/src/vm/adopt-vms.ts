/**
 * After a start of the daemon: compares what is written down with what runs, takes over every VM that lives, and
 * cleans what the dead left. Nothing is served before it is done. What can't be cleaned keeps its slot, not the daemon.
 */
import { withDeadline } from "@daytonah/lib/deadline.ts";
import { awaitAgent } from "../guest/await-agent.ts";
import { removeVm } from "./delete-vm.ts";
import { uidsInUse } from "./host-uids.ts";
import { superviseVm, sweepSlot, sweepVm, vmDied } from "./supervise-vm.ts";
import type { VmDeps } from "./vm-deps.ts";
import type { VmEntry } from "./vm-registry.ts";

export interface AdoptionReport {
  adopted: number;
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
  const report: AdoptionReport = { adopted: 0, died: 0, finished: 0, strays: 0, unreadable: 0, unswept: 0 };
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
  await deps.images.prune(new Set(records.flatMap(({ images }) => Object.values(images))));
  log.info("vms.adopted", { ...report });
  return report;
}

async function adoptVm(deps: VmDeps, entry: VmEntry, signal: AbortSignal): Promise<"adopted" | "died" | "finished"> {
  const { registry, store } = deps;
  const { record } = entry;
  if (record.epoch <= store.tombstone(record.sandboxId) || record.state === "deleting") {
    entry.deletion = removeVm(deps, entry);
    try {
      await entry.deletion;
    } catch (error) {
      delete entry.deletion; // so that a repeated delete tries again
      throw error;
    }
    return "finished";
  }
  switch (record.state) {
    case "running": {
      if (await takeOver(deps, entry, record.handle, signal)) return "adopted";
      const failure = vmDied(record.sandboxId, "ended while its host's daemon was away");
      try {
        await sweepVm(deps, entry);
      } finally {
        await registry.move(entry, { state: "failed", failure }); // it runs no more, whatever is left of it
      }
      return "died";
    }
    case "starting": {
      const message = "The sandbox's VM did not come up: its host's daemon ended meanwhile.";
      const metadata = { sandbox_id: record.sandboxId, stage: "daemon" };
      try {
        await sweepVm(deps, entry);
        await store.removeRootDisk(record.sandboxId);
      } finally {
        await registry.move(entry, { state: "failed", failure: { reason: "BOOT_FAILED", message, metadata } });
      }
      return "finished";
    }
    case "failed":
      await sweepVm(deps, entry); // a crash may have come before the first sweep
      return "finished";
    default:
      return record satisfies never;
  }
}

async function takeOver(
  deps: VmDeps,
  entry: VmEntry,
  handle: Parameters<VmDeps["vmm"]["adopt"]>[0],
  signal: AbortSignal,
): Promise<boolean> {
  const { adoptMs } = deps.limits;
  using deadline = withDeadline(signal, adoptMs, () => new Error(`the agent did not answer within ${adoptMs} ms`));
  try {
    const vm = await deps.vmm.adopt(handle, deadline);
    if (!vm) return false;
    const agent = deps.agentAt(vm.vsockPath);
    await awaitAgent(agent, deadline);
    superviseVm(deps, entry, vm, agent);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    deps.log.warn("vm.adopt.failed", { vm: entry.sandboxId, error });
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
