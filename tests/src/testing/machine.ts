/** What runs and lies about on this machine, read from /proc and the file system: for asking what was left behind. */
import { readdirSync, readFileSync } from "node:fs";
import { uidsPerDaemon } from "../../../hostd/src/vm/uid-range.ts";

export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly uid: number;
  readonly argv: readonly string[];
}

export function processes(): ProcessInfo[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? []);
}

/** Undefined for one that ended while we looked, and for a zombie, which holds nothing. */
function readProcess(pid: number): ProcessInfo | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    if (/^State:\s+Z/m.test(status)) return undefined;
    const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
    const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
    return { pid, parent: number("PPid"), uid: number("Uid"), argv };
  } catch {
    return undefined;
  }
}

/** Whether a uid is that of a VM of the daemon whose uids begin at `firstUid`. */
const isVmUid = (uid: number, firstUid: number) => uid >= firstUid && uid < firstUid + uidsPerDaemon;

/** Processes of one daemon's VMs. */
export function vmProcesses(firstUid: number): ProcessInfo[] {
  return processes().filter(({ uid }) => isVmUid(uid, firstUid));
}

/** The program of the platform whose script ends in `script`, started by this `dnah up`. */
export function childRunning(upPid: number, script: string): ProcessInfo | undefined {
  return processes().find(({ parent, argv }) => parent === upPid && argv.some((word) => word.endsWith(script)));
}

export const mounts = (): string[] => readFileSync("/proc/mounts", "utf8").trimEnd().split("\n").sort();

export const networkDevices = (): string[] => readdirSync("/sys/class/net").sort();

/** Unix sockets below a folder that a process listens on or is connected to. */
export function listening(below: string): string[] {
  return readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .flatMap((line) => /\s(\/\S+)$/.exec(line)?.[1] ?? [])
    .filter((path) => path.startsWith(below));
}

export const memoryDir = "/dev/shm/daytonah";

/** Folders with the memory of one daemon's VMs; each is named after its VM's uid. */
export function guestMemories(firstUid: number): string[] {
  return entries(memoryDir).filter((name) => isVmUid(Number(name), firstUid));
}

/** Names below a folder, or none where it is not there. */
export function entries(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
