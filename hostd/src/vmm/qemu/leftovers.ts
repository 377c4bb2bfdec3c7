import { rm } from "node:fs/promises";
import { readLogTail } from "../../host/log-file.ts";
import type { QemuPaths } from "./args.ts";

const LOG_TAIL_BYTES = 2000;

/** Removes all files a VM has, but for its disks and the folder given to it. None of its processes may live: see `own`. */
export async function removeLeftovers(paths: QemuPaths): Promise<void> {
  const { own, vsock, migration, qemuLog, vsockLog, memoryFolder } = paths;
  for (const path of [own, vsock, migration, qemuLog, vsockLog, memoryFolder]) {
    await rm(path, { recursive: true, force: true });
  }
}

/** The end of what its processes wrote. */
export async function logTail(paths: QemuPaths): Promise<string> {
  const tails = [paths.qemuLog, paths.vsockLog].map((path) => readLogTail(path, LOG_TAIL_BYTES).catch(() => ""));
  return (await Promise.all(tails)).join("").trim().slice(-LOG_TAIL_BYTES) || "its log is empty";
}
