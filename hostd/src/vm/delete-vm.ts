/** Ends a VM and removes all it had. Idempotent, right in every state, and for sandboxes this host never had. */
import { problem } from "@daytonah/lib/problem.ts";
import { sweepVm } from "./supervise-vm.ts";
import type { VmDeps } from "./vm-deps.ts";
import type { VmEntry } from "./vm-registry.ts";

export async function deleteVm(deps: VmDeps, sandboxId: string, epoch: number): Promise<void> {
  const entry = deps.registry.get(sandboxId);
  if (entry && entry.record.epoch > epoch) {
    const { record } = entry;
    throw problem("SANDBOX_NOT_RUNNING", `Epoch ${epoch} of ${sandboxId} is over; epoch ${record.epoch} stays.`, {
      metadata: { sandbox_id: sandboxId, state: record.state, epoch: String(record.epoch) },
    });
  }
  // First: from here on no late start brings it back, also after a crash.
  await deps.store.bury(sandboxId, epoch);
  if (!entry || deps.registry.get(sandboxId) !== entry) return;
  entry.deletion ??= removeVm(deps, entry).catch((error: unknown) => {
    delete entry.deletion; // so that a repeat tries again
    throw error;
  });
  await entry.deletion;
}

/** The record must be buried. */
export async function removeVm(deps: VmDeps, entry: VmEntry): Promise<void> {
  const { registry, store, log } = deps;
  const began = performance.now();
  const deleted = problem("SANDBOX_STATE_CONFLICT", "The sandbox was deleted while the call ran.", {
    metadata: { sandbox_id: entry.sandboxId, state: "deleting" },
  });
  entry.start?.abort.abort(deleted);
  await entry.start?.result.catch(() => undefined); // it takes its own things back
  if (entry.record.state !== "deleting") await registry.move(entry, { state: "deleting" });
  const { live } = entry;
  live?.ended.abort(deleted);
  await live?.vm.kill();
  delete entry.live;
  await sweepVm(deps, entry);
  await store.remove(entry.sandboxId);
  registry.forget(entry);
  log.info("vm.deleted", { vm: entry.sandboxId, epoch: entry.record.epoch, ms: performance.now() - began });
}
