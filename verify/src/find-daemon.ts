import { readdirSync, readFileSync } from "node:fs";

/** The daemon on this machine; throws where there is none, or more than one. */
export function findDaemon(): number {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isDaemon(name));
  if (pids.length !== 1) throw new Error(`${pids.length} host daemons run here; name one with --hostd-pid`);
  return Number(pids[0]);
}

function isDaemon(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8")
      .split("\0")
      .some((word) => word.endsWith("hostd/src/main.ts"));
  } catch {
    return false; // it ended
  }
}
