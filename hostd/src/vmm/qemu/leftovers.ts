import { readFile, rm } from "node:fs/promises";
import type { QemuPaths } from "./args.ts";

const LOG_TAIL_BYTES = 2000;

/** Removes all files a VM has beside its folder's own. */
export async function removeLeftovers(paths: QemuPaths): Promise<void> {
  const { qmp, vhostUser, vsockDevice, vsock, migration, qemuLog, vsockLog, memoryFolder } = paths;
  for (const path of [qmp, vhostUser, vsockDevice, vsock, migration, qemuLog, vsockLog, memoryFolder]) {
    await rm(path, { recursive: true, force: true });
  }
}

/** The end of what its processes wrote. */
export async function logTail(paths: QemuPaths): Promise<string> {
  const logs = await Promise.all([paths.qemuLog, paths.vsockLog].map((path) => readFile(path, "utf8").catch(() => "")));
  return logs.join("").trim().slice(-LOG_TAIL_BYTES) || "its log is empty";
}
