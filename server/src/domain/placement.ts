/** What a new sandbox asks of its host, and what hosts have. */

export interface Size {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
}

export interface PlacementRequest extends Size {
  /** Only on hosts that have it, with a disk of at least its size. */
  readonly template: string;
  /** On one of these instead: they have the snapshot or the disk that it starts from. */
  readonly hostIds?: readonly string[];
  /** Only on hosts of this class: it brings a memory along. */
  readonly cpuClass?: string;
  /** From a host like this, with all it needs to run again: not on one of `except`. */
  readonly takenOver?: { readonly driver: string; readonly architecture: string; readonly except: readonly string[] };
  /** It is there already, and stays: also where that host is being drained. */
  readonly stays?: true;
}

/** A host's room: what it offers less what is spoken for. */
export interface HostRoom {
  readonly hostId: string;
  readonly vcpusFree: number;
  readonly memoryFreeMib: number;
  readonly diskFreeMib: number;
}

export interface Lack {
  /** What was asked for: "8 vCPUs". */
  readonly asked: string;
  readonly free: number;
}

/** What a host lacks for this size; empty where it fits. */
export function lackOf(room: HostRoom, size: Size): readonly Lack[] {
  const lack: Lack[] = [];
  if (room.vcpusFree < size.vcpus) lack.push({ asked: `${size.vcpus} vCPUs`, free: room.vcpusFree });
  if (room.memoryFreeMib < size.memoryMib) {
    lack.push({ asked: `${size.memoryMib} MiB of memory`, free: room.memoryFreeMib });
  }
  if (room.diskFreeMib < size.diskMib) lack.push({ asked: `${size.diskMib} MiB of disk`, free: room.diskFreeMib });
  return lack;
}
