/** A sandbox's time runs while its VM does: what is left of it when that stops is left when it goes on. */
import type { VmLifecycle } from "./vm-record.ts";

/** Of a VM that stops. */
export function stopClock(lifecycle: VmLifecycle, now: Date): VmLifecycle {
  const { endTime, ...rest } = lifecycle;
  return endTime === undefined ? lifecycle : { ...rest, leftMs: Math.max(0, endTime - now.getTime()) };
}

/** Of a VM that goes on. One that is `woken` has its time anew, as after a resume: also while no control plane answers. */
export function startClock(lifecycle: VmLifecycle, now: Date, woken: boolean): VmLifecycle {
  const { leftMs, ...rest } = lifecycle;
  if (leftMs === undefined) return lifecycle;
  return { ...rest, endTime: now.getTime() + (woken ? (lifecycle.timeoutMs ?? leftMs) : leftMs) };
}
