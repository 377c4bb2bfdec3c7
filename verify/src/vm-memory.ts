/** What the processes of a daemon's VMs take of the host's memory. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export interface VmMemory {
  /** Proportional: what several share counts once in all. */
  readonly pssBytes: number;
  /** With what their memory files hold and none of them has mapped: a restored guest's, until it looks at it. */
  readonly allBytes: number;
}

/** As hostd/src/vm/uid-range.ts has it. */
const uidsPerDaemon = 4_096;

export function memoryOfVms(daemonPid: number): VmMemory {
  const first = firstUid(daemonPid);
  const sum = { pss: 0, shared: 0 };
  const files = new Map<string, number>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const { uid } = statSync(`/proc/${pid}`);
      if (uid < first || uid >= first + uidsPerDaemon) continue;
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
      sum.pss += kibOf(rollup, "Pss");
      sum.shared += kibOf(rollup, "Pss_Shmem");
      for (const path of memoryFiles(pid)) files.set(path, statSync(path).blocks * 512);
    } catch {} // it ended
  }
  const fileBytes = [...files.values()].reduce((total, bytes) => total + bytes, 0);
  return { pssBytes: sum.pss * 1024, allBytes: (sum.pss - sum.shared) * 1024 + fileBytes };
}

function kibOf(rollup: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(rollup)?.[1] ?? 0);
}

/** Files on tmpfs that it writes to as others may: a guest's memory, where the driver keeps that in a file. */
function memoryFiles(pid: string): string[] {
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8");
  return [...maps.matchAll(/^\S+ rw-s \S+ \S+ \d+\s+(\/dev\/shm\/\S+)$/gm)].map(([, path]) => path as string);
}

function firstUid(daemonPid: number): number {
  const environ = readFileSync(`/proc/${daemonPid}/environ`, "utf8").split("\0");
  const dataDir = environ.find((line) => line.startsWith("DNAH_HOSTD_DATA_DIR="))?.split("=")[1];
  return Number.parseInt(readFileSync(join(dataDir ?? "/var/lib/daytonah/hostd", "first-uid"), "latin1"), 10);
}
