/** How much the platform's server and daemon grow while something is done. */
import { readFileSync } from "node:fs";
import { childRunning } from "./machine.ts";

const everyMs = 50;

export interface WatchedMemory extends Disposable {
  /** Resident bytes of the one that grew most over what it had at first. */
  mostGrowthBytes(): number;
}

export function watchMemory(): WatchedMemory {
  const { DNAH_TEST_UP_PID } = process.env;
  if (!DNAH_TEST_UP_PID) throw new Error("run this through `npm test -- vm`: it starts a platform");
  const pids = ["server/src/main.ts", "hostd/src/main.ts"].map((script) => {
    const child = childRunning(Number(DNAH_TEST_UP_PID), script);
    if (!child) throw new Error(`the platform runs no ${script}`);
    return child.pid;
  });
  const before = pids.map(residentBytes);
  let most = 0;
  const look = () => {
    most = Math.max(most, ...pids.map((pid, index) => residentBytes(pid) - (before[index] ?? 0)));
  };
  const timer = setInterval(look, everyMs);
  return {
    mostGrowthBytes() {
      look();
      return most;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}
