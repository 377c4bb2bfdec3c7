/** A host wakes a paused VM by itself for a call to it: under the same epoch, since nobody else may start it meanwhile. */
import { runAgain } from "./resume-vm.ts";
import type { VmDeps } from "./vm-deps.ts";
import { sandboxPaused, type VmEntry } from "./vm-entry.ts";
import type { VmRecord } from "./vm-record.ts";

/** However many ask at once, it is woken once. Throws SANDBOX_PAUSED where it is not to be woken by calls. */
export function wakeVm(deps: VmDeps, entry: VmEntry): Promise<VmRecord> {
  if (!entry.record.lifecycle?.autoResume) throw sandboxPaused(entry.sandboxId);
  return entry.operations.run("wake", async (signal) => {
    const { record } = entry;
    if (record.state !== "paused") return record; // somebody resumed it
    deps.log.info("vm.wake", { vm: entry.sandboxId, epoch: record.epoch });
    return runAgain(deps, entry, record, { plan: { wakes: (record.wakes ?? 0) + 1 }, requestId: "" }, signal);
  });
}
