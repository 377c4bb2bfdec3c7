/** Ends a VM and removes all it had. Idempotent, right in every state, and for sandboxes this host never had. */
import { superseded } from "./entry-at.ts";
import { sweepVm } from "./supervise-vm.ts";
import type { VmDeps } from "./vm-deps.ts";
import { deletedMeanwhile, movedMeanwhile, type VmEntry } from "./vm-entry.ts";

export async function deleteVm(deps: VmDeps, sandboxId: string, epoch: number): Promise<void> {
  const entry = deps.registry.get(sandboxId);
  if (entry && entry.record.epoch > epoch) throw superseded(sandboxId, epoch, entry.record.epoch, entry.record.state);
  // First: from here on no late start brings it back, also after a crash.
  await deps.store.bury(sandboxId, epoch);
  await deps.moves.end({ id: sandboxId, epoch }, deletedMeanwhile(sandboxId)); // one that arrives, too
  if (!entry || deps.registry.get(sandboxId) !== entry) return;
  entry.deletion ??= removeVm(deps, entry).catch((error: unknown) => {
    delete entry.deletion; // so that a repeat tries again
    throw error;
  });
  await entry.deletion;
}

/** The record must be buried. */
export async function removeVm(deps: VmDeps, entry: VmEntry): Promise<void> {
  const { registry, store, moves, log } = deps;
  const began = performance.now();
  const { record } = entry;
  if (record.state === "paused" && record.sealed) entry.die(movedMeanwhile(entry.sandboxId));
  const deleted = deletedMeanwhile(entry.sandboxId);
  await entry.operations.end(deleted); // what is under way takes its own things back
  if (entry.record.state !== "deleting") await registry.move(entry, { state: "deleting" });
  await entry.endLive(deleted)?.vm.kill();
  await moves.end({ id: entry.sandboxId, epoch: record.epoch }, deleted);
  await sweepVm(deps, entry);
  await store.remove(entry.sandboxId);
  registry.forget(entry);
  log.info("vm.deleted", { vm: entry.sandboxId, epoch: entry.record.epoch, ms: performance.now() - began });
}
