/** Which host gets a new sandbox. */

export interface Size {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
}

/** A host's room: what it offers less what is spoken for. */
export interface HostRoom {
  readonly hostId: string;
  readonly vcpusFree: number;
  readonly memoryFreeMib: number;
  readonly diskFreeMib: number;
}

/** What a host lacks for this size; empty where it fits. */
export function lackOf(room: HostRoom, size: Size): readonly string[] {
  const lack: string[] = [];
  if (room.vcpusFree < size.vcpus) lack.push(`${size.vcpus} vCPUs (${Math.max(0, room.vcpusFree)} free)`);
  if (room.memoryFreeMib < size.memoryMib) {
    lack.push(`${size.memoryMib} MiB of memory (${Math.max(0, room.memoryFreeMib)} free)`);
  }
  if (room.diskFreeMib < size.diskMib) lack.push(`${size.diskMib} MiB of disk (${Math.max(0, room.diskFreeMib)} free)`);
  return lack;
}

/** Hosts to try, best first: those with room, most free memory first, so that load spreads. */
export function candidates(rooms: readonly HostRoom[], size: Size): readonly HostRoom[] {
  return rooms
    .filter((room) => lackOf(room, size).length === 0)
    .sort((a, b) => b.memoryFreeMib - a.memoryFreeMib || (a.hostId < b.hostId ? -1 : 1));
}
