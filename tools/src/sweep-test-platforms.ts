/**
 * Ends what tests left that were killed: their platform went with them, its VMs outlive it by design. A platform that
 * runs is left alone.
 */
import { globSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { guestMemories, memoryDir, type ProcessInfo, processes, vmProcesses } from "../../tests/src/testing/machine.ts";

/** Not below a home folder: the VMs' own users must get through to their files. */
export const testDataPrefix = "/var/tmp/dnah-test-";

export const testRunDirOf = (dataDir: string) => join("/run", basename(dataDir));

export function sweepTestPlatforms(): void {
  for (const dataDir of globSync(`${testDataPrefix}*`)) {
    const firstUid = testFirstUid(dataDir);
    // Without one nothing was started yet, or not all of it is removed.
    if (!Number.isSafeInteger(firstUid) || platformProcesses(dataDir, [firstUid]).length > 0) continue;
    endVms(firstUid);
    for (const name of guestMemories(firstUid)) remove(join(memoryDir, name));
    remove(testRunDirOf(dataDir));
    remove(dataDir);
  }
}

/** The first uid of its VMs. */
export function testFirstUid(dataDir: string): number {
  try {
    return Number.parseInt(readFileSync(join(dataDir, "hostd/first-uid"), "latin1"), 10);
  } catch {
    return Number.NaN;
  }
}

export function endVms(firstUid: number): void {
  for (const { pid } of vmProcesses(firstUid)) process.kill(pid, "SIGKILL");
}

/** `dnah up` and PostgreSQL: they are told the folder. So are VMs, which are no sign of a platform's life. */
export function platformProcesses(dataDir: string, firstUids: readonly number[]): ProcessInfo[] {
  const vms = new Set(firstUids.flatMap(vmProcesses).map(({ pid }) => pid));
  const names = (word: string) => word === dataDir || word.startsWith(`${dataDir}/`);
  return processes().filter(({ pid, argv }) => !vms.has(pid) && argv.some(names));
}

/** Another run may do it at the same time. */
function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
