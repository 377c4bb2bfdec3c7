/** VMs stand still while the host has no lease, and go on when it has one: memory, disks and connections stay as they are. */
import { goOn } from "./stand-still.ts";
import type { VmDeps } from "./vm-deps.ts";
import type { LiveVm, VmEntry } from "./vm-entry.ts";

/** A lease counts in seconds. */
const everyMs = 250;

/** Looks for as long as it is not disposed. */
export function freezeByLease(deps: VmDeps): Disposable {
  const timer = setInterval(() => void settleVms(deps), everyMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** One look: freezes what runs without a lease, also what has just begun to, or thaws all. Resolves when it is done. */
export async function settleVms(deps: VmDeps): Promise<void> {
  const { lease, registry, log } = deps;
  const changed = lease.settle();
  if (changed) log.warn(`vms.${changed}`, {});
  const entries = registry.entries();
  if (lease.frozen) await Promise.all(entries.map((entry) => freeze(deps, entry)));
  else await Promise.all(entries.map((entry) => thaw(deps, entry)));
}

/** After what is done to the VM now. */
async function freeze({ lease, log }: VmDeps, entry: VmEntry): Promise<void> {
  const { live } = entry;
  if (!live || entry.frozen?.live === live) return;
  try {
    await entry.operations.run(`freeze ${live.vm.handle.pid}`, async (signal) => {
      if (entry.live === live && lease.frozen) await freezeVm(entry, live, signal);
    });
  } catch (error) {
    if (!entry.deletion) log.error("vm.unfrozen", { vm: entry.sandboxId, error });
  }
}

/** Calls to it wait from then on. */
export async function freezeVm(entry: VmEntry, live: LiveVm, signal: AbortSignal): Promise<void> {
  const hold = entry.hold();
  try {
    await live.vm.pause({ signal });
  } catch (error) {
    hold[Symbol.dispose]();
    throw error;
  }
  entry.frozen?.hold[Symbol.dispose](); // of a VM that was stopped
  entry.frozen = { live, hold };
}

async function thaw(deps: VmDeps, entry: VmEntry): Promise<void> {
  const { frozen } = entry;
  if (!frozen) return;
  try {
    await entry.operations.run("thaw", async (signal) => {
      if (entry.frozen !== frozen) return;
      delete entry.frozen;
      using _hold = frozen.hold;
      // It may have been stopped meanwhile.
      if (entry.live === frozen.live) await goOn(deps, frozen.live, entry.sandboxId, signal);
    });
  } catch (error) {
    if (!entry.deletion) deps.log.error("vm.unthawed", { vm: entry.sandboxId, error });
  }
}
