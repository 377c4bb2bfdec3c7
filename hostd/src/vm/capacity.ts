/** What the host can give to VMs. CPU time is shared, and so offered more than once; memory only where it is asked for. */
import { type Problem, problem } from "@daytonah/lib/problem.ts";
import type { VmRecord } from "./vm-record.ts";

export interface HostSize {
  /** Virtual CPUs it offers. */
  readonly vcpus: number;
  /** Memory it offers. */
  readonly memoryMib: number;
}

/** For the VMM itself: device emulation, page tables, the vsock process. */
export const overheadMibPerVm = 48;
const vcpusPerCore = 16;
/** For the host: its kernel, the daemon, page cache. */
const leastReserveMib = 1024;
const reserveShare = 0.1;
/** Left free on the disk of VMs, so that running ones can still write when new ones are refused. */
const diskReserveMib = 2048;

export interface HostSizeOptions extends Partial<HostSize> {
  /** Each MiB is offered this often; once where absent. */
  readonly memoryOvercommit?: number;
}

export function hostSize(cores: number, totalMemoryMib: number, options: HostSizeOptions): HostSize {
  const reserve = Math.max(leastReserveMib, Math.ceil(totalMemoryMib * reserveShare));
  const memoryMib = options.memoryMib ?? Math.max(0, totalMemoryMib - reserve);
  return {
    vcpus: options.vcpus ?? cores * vcpusPerCore,
    memoryMib: Math.floor(memoryMib * (options.memoryOvercommit ?? 1)),
  };
}

/** Failed and paused VMs have no process. */
export const holdsRoom = ({ state }: VmRecord): boolean => state !== "failed" && state !== "paused";

/** `takers`: the VMs that hold room. */
export function freeMemoryMib(size: HostSize, takers: readonly VmRecord[]): number {
  const used = takers.reduce((sum, { memoryMib }) => sum + memoryMib + overheadMibPerVm, 0);
  return Math.max(0, size.memoryMib - used);
}

export function usableDiskMib(freeDiskMib: number): number {
  return Math.max(0, freeDiskMib - diskReserveMib);
}

export interface Demand {
  readonly vcpus: number;
  readonly memoryMib: number;
  /** What the new disk takes at once. */
  readonly diskMib: number;
}

/** Throws NO_CAPACITY or HOST_NO_SPACE where the host has no room for one more VM beside those that hold some. */
export function requireRoom(size: HostSize, takers: readonly VmRecord[], freeDiskMib: number, demand: Demand): void {
  const free = freeMemoryMib(size, takers);
  if (demand.memoryMib + overheadMibPerVm > free) {
    throw noRoom(`${demand.memoryMib} MiB of memory`, `${free} MiB are free`);
  }
  const vcpus = takers.reduce((sum, record) => sum + record.vcpus, 0);
  if (vcpus + demand.vcpus > size.vcpus) {
    throw noRoom(`${demand.vcpus} vCPUs`, `${size.vcpus - vcpus} are free`);
  }
  requireDisk(freeDiskMib, demand.diskMib);
}

/** Throws HOST_NO_SPACE where so much can't be written. */
export function requireDisk(freeDiskMib: number, neededMib: number): void {
  const disk = usableDiskMib(freeDiskMib);
  if (neededMib <= disk) return;
  throw problem("HOST_NO_SPACE", `The host's disk has no room for ${neededMib} MiB.`, {
    retryDelayMs: 30_000,
    cause: new Error(`${disk} MiB are free`),
  });
}

/** The host's own figures are for its operator: the log has them. */
function noRoom(asked: string, free: string): Problem {
  return problem("NO_CAPACITY", `The host has no room for ${asked}.`, { retryDelayMs: 5_000, cause: new Error(free) });
}
