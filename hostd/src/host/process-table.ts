import { readdirSync, readFileSync, statSync } from "node:fs";
import { sleep } from "@daytonah/lib/sleep.ts";

/** One process, told from a later one with the same pid by its start time (clock ticks since boot). */
export interface ProcessId {
  readonly pid: number;
  readonly startTime: string;
}

export interface ProcessInfo extends ProcessId {
  readonly parentPid: number;
  /** First 15 bytes of the program's name. */
  readonly name: string;
  readonly residentBytes: number;
}

/**
 * Uids below are people's and services'. All processes of a uid may be killed by this module, so it refuses
 * those: a slip in a caller must not end the host.
 */
export const FIRST_VM_UID = 0x10000;

const PAGE_BYTES = 4096;

/** The process that has this pid now, undefined where none has. One that ended and is not yet reaped is none. */
export function readProcess(pid: number): ProcessInfo | undefined {
  const stat = readOrUndefined(`/proc/${pid}/stat`);
  return stat === undefined ? undefined : parseStat(stat);
}

/** A child of ours, also one that ended and is not yet reaped: its pid is its own until then. */
export function readChild(pid: number): ProcessId | undefined {
  const stat = readOrUndefined(`/proc/${pid}/stat`);
  return stat === undefined ? undefined : parseAnyStat(stat);
}

/** Reads a line of /proc/<pid>/stat; undefined for a zombie. */
export function parseStat(stat: string): ProcessInfo | undefined {
  const parsed = parseAnyStat(stat);
  return parsed?.ended ? undefined : parsed?.info;
}

function parseAnyStat(stat: string): (ProcessId & { readonly ended: boolean; readonly info: ProcessInfo }) | undefined {
  // The name is in parentheses and may itself have blanks and parentheses.
  const open = stat.indexOf("(");
  const close = stat.lastIndexOf(")");
  const fields = stat.slice(close + 2).split(" ");
  const state = fields[0];
  const parent = fields[1];
  const startTime = fields[19];
  const pages = fields[21];
  if (open < 0 || close < open || startTime === undefined || pages === undefined) {
    return undefined;
  }
  const id = { pid: Number(stat.slice(0, open)), startTime };
  const name = stat.slice(open + 1, close);
  const info = { ...id, parentPid: Number(parent), name, residentBytes: Number(pages) * PAGE_BYTES };
  return { ...id, ended: state === "Z" || state === "X", info };
}

export function isAlive(id: ProcessId): boolean {
  return readProcess(id.pid)?.startTime === id.startTime;
}

/** Sends a signal to exactly this process. False where it is gone. */
export function killProcess(id: ProcessId, signal: NodeJS.Signals): boolean {
  if (!isAlive(id)) {
    return false;
  }
  try {
    process.kill(id.pid, signal);
    return true;
  } catch (error) {
    if (codeOf(error) === "ESRCH") {
      return false;
    }
    throw error;
  }
}

/** All processes that run as this user. */
export function processesOfUid(uid: number): readonly ProcessInfo[] {
  const found: ProcessInfo[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || !hasUid(pid, uid)) {
      continue;
    }
    const info = readProcess(pid);
    if (info !== undefined) {
      found.push(info);
    }
  }
  return found;
}

/** Children of a process, their children, and so on. */
export function descendantsOf(pid: number): readonly ProcessInfo[] {
  const all = readdirSync("/proc")
    .map(Number)
    .filter(Number.isInteger)
    .map(readProcess)
    .filter((one) => one !== undefined);
  const found: ProcessInfo[] = [];
  const parents = [pid];
  for (const parent of parents) {
    const children = all.filter((one) => one.parentPid === parent);
    found.push(...children);
    parents.push(...children.map((one) => one.pid));
  }
  return found;
}

/** Kills all processes of a VM's user, also those that start meanwhile; resolves when none is left. */
export async function killAllOfUid(uid: number, options: { signal: AbortSignal }): Promise<void> {
  if (uid < FIRST_VM_UID) {
    throw new RangeError(`uid ${uid} is below ${FIRST_VM_UID}: not a VM's`);
  }
  for (;;) {
    const processes = processesOfUid(uid);
    if (processes.length === 0) {
      return;
    }
    for (const one of processes) {
      killProcess(one, "SIGKILL");
    }
    // Their own ends first: to look at all processes of a host takes milliseconds, in which it does nothing else.
    for (const one of processes) {
      await waitForExit(one, { signal: options.signal, intervalMs: 2 });
    }
  }
}

/**
 * Resolves when this process is gone. For processes that are not our children, whose end is no event. With `ref` false
 * the wait keeps no process of ours alive.
 */
export async function waitForExit(
  id: ProcessId,
  options: { readonly signal: AbortSignal; readonly intervalMs: number; readonly ref?: boolean },
): Promise<void> {
  while (isAlive(id)) {
    await sleep(options.intervalMs, options);
  }
}

/** True where no thread of the process runs or is about to. */
export function isIdle(pid: number): boolean {
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return false;
  }
  return threads.every((thread) => {
    const stat = readOrUndefined(`/proc/${pid}/task/${thread}/stat`);
    return stat === undefined || stat.slice(stat.lastIndexOf(")") + 2).startsWith("S");
  });
}

function hasUid(pid: number, uid: number): boolean {
  try {
    const owner = statSync(`/proc/${pid}`).uid;
    if (owner === uid) {
      return true;
    }
    // Between changing its user and executing its program a process' folder belongs to root; `status` tells the truth.
    if (owner !== 0) {
      return false;
    }
  } catch {
    return false;
  }
  const uids = readOrUndefined(`/proc/${pid}/status`)?.match(/^Uid:\t(.*)$/m)?.[1];
  return uids?.split("\t").includes(String(uid)) ?? false;
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ESRCH") {
      return undefined;
    }
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
