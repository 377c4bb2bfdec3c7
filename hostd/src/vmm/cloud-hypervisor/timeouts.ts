/**
 * How long the VMM may take, in milliseconds. Each call waits for those before it, and none can be taken back: after
 * one of these the VM's state has to be read, or the VM ended.
 */
export const PING_MS = 1_000;
/** One that is there may be busy with a snapshot that an earlier process of ours asked for. */
export const ADOPT_MS = 30_000;
export const BOOT_MS = 30_000;
/** The VMM itself gives its disks 30 s to finish what they are at. */
export const PAUSE_MS = 35_000;
/** A guest without a driver for a device, or one that hangs, never lets go of it. */
export const UNPLUG_MS = 15_000;
/** From SIGTERM to SIGKILL, where nobody says how long. */
export const CLEANUP_MS = 10_000;

const SLOWEST_MIB_PER_MS = 0.2;

/** Writing or reading all of a guest's memory. There is no progress to see. */
export function memoryTimeoutMs(memoryMib: number): number {
  return BOOT_MS + memoryMib / SLOWEST_MIB_PER_MS;
}
