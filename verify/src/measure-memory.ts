/** What the host's daemon takes of memory for idle sandboxes with open streams. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Sandbox } from "daytonah";
import { interruption } from "./interruption.ts";
import { purgeAll } from "./purge-all.ts";
import { withSnapshot } from "./with-snapshot.ts";

const streamsEach = 5;
/** For the collector and the allocator to come to rest. */
const settleMs = 5_000;
const mib = 1024 * 1024;

/**
 * MiB for each sandbox: what the daemon takes more with `count` of them, five streams each, than without. The same is done
 * once before: the collector lets a heap grow with the work it has seen, whether or not anything of it is still there.
 */
export function measureMemory(count: number, daemonPid: number): Promise<{ each: number; daemon: number }> {
  return withSnapshot(async (snapshotId) => {
    await residentWith(count, daemonPid, snapshotId);
    await sleep(settleMs);
    const before = residentBytes(daemonPid);
    const daemon = await residentWith(count, daemonPid, snapshotId);
    return { each: (daemon - before) / count / mib, daemon: daemon / mib };
  });
}

/** Resident bytes of the daemon while the sandboxes are there; they are restored, since that takes less time than to boot. */
async function residentWith(count: number, daemonPid: number, snapshotId: string): Promise<number> {
  const sandboxes: Sandbox[] = [];
  try {
    for (let n = 0; n < count; n += 1) {
      interruption.throwIfAborted();
      sandboxes.push(await Sandbox.create({ snapshotId }));
    }
    for (const sandbox of sandboxes) {
      for (let n = 0; n < streamsEach; n += 1) await sandbox.exec(["sleep", "600"]).pid;
    }
    await sleep(settleMs);
    return residentBytes(daemonPid);
  } finally {
    await purgeAll(sandboxes);
  }
}

function residentBytes(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1024;
}
