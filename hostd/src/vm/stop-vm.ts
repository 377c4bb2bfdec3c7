/** Ends a VM and keeps what it has on disk: it is paused then, without memory where it ran. */
import { superseded, wrongState } from "./entry-at.ts";
import type { PauseOptions } from "./pause-vm.ts";
import { quiesce } from "./stand-still.ts";
import { sweepVm } from "./supervise-vm.ts";
import type { VmDeps } from "./vm-deps.ts";
import { sandboxPaused } from "./vm-entry.ts";
import type { PausedCondition, VmRecord } from "./vm-record.ts";

export interface StopVm {
  readonly sandboxId: string;
  /** Up to which it is stopped. */
  readonly epoch: number;
}

/** Idempotent. Undefined where this host has no such VM. `kept` is what its record says beside that it is paused. */
export async function stopVm(
  deps: VmDeps,
  { sandboxId, epoch }: StopVm,
  { onlyIf, ...kept }: Pick<PausedCondition, "expired"> & PauseOptions = {},
): Promise<VmRecord | undefined> {
  const { registry, store, log } = deps;
  const entry = registry.get(sandboxId);
  if (!entry) return undefined;
  return entry.operations.run(`${onlyIf ? "stop when due" : "stop"} ${epoch}`, async (signal) => {
    const { record, live } = entry;
    if (record.epoch > epoch) throw superseded(sandboxId, epoch, record.epoch, record.state);
    switch (record.state) {
      case "paused":
        return record;
      case "failed":
        // Where it has no disk it never ran, and there is nothing to keep.
        if (!(await store.stampOf(sandboxId))) return record;
        return registry.move(entry, { state: "paused", ...kept });
      case "running":
        break;
      default:
        throw wrongState(entry);
    }
    if (onlyIf && !onlyIf()) return record;
    if (live) await quiesce(deps, live, sandboxId, signal);
    const stopped = await registry.move(entry, { state: "paused", ...kept });
    await entry.endLive(sandboxPaused(sandboxId))?.vm.kill();
    await sweepVm(deps, entry);
    log.info("vm.stopped", { vm: sandboxId, epoch });
    return stopped;
  });
}
