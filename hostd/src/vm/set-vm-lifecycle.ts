import { entryAt } from "./entry-at.ts";
import { stopClock } from "./life-clock.ts";
import type { VmDeps } from "./vm-deps.ts";
import type { VmLifecycle } from "./vm-record.ts";

/** Idempotent by version: one no newer than the present changes nothing. A new one takes an expiry back. */
export async function setVmLifecycle(
  { registry, now }: Pick<VmDeps, "registry" | "now">,
  sandboxId: string,
  epoch: number,
  lifecycle: VmLifecycle,
): Promise<void> {
  const entry = entryAt(registry, sandboxId, epoch);
  await registry.amend(entry, (record) => {
    if (record.lifecycle && record.lifecycle.version >= lifecycle.version) return undefined;
    if (record.state !== "paused") return { ...record, lifecycle };
    const { expired: _, ...kept } = record;
    return { ...kept, lifecycle: stopClock(lifecycle, now()) };
  });
}
