import { chmod, chown, lstat, mkdir, open, rm } from "node:fs/promises";
import { emptyLog, readLogTail } from "../../host/log-file.ts";
import type { VmConfig } from "../vmm.ts";
import type { ChPaths } from "./paths.ts";

const LOG_TAIL_BYTES = 2000;

/** Makes the folders of a VM that is about to start, anew. None of its uid's processes may live. */
export async function makeFolders(stateDir: string, vm: VmConfig, paths: ChPaths): Promise<void> {
  await removeLeftovers(paths);
  await mkdir(paths.own, { mode: 0o700 });
  await chown(paths.own, vm.uid, vm.gid);
  await mkdir(stateDir, { recursive: true, mode: 0o711 });
  await makePassage(paths.state, vm);
  await makePassage(paths.disks, vm);
}

/** The file behind the memory zone of a VM that boots: as long as its memory, and empty. */
export async function makeMemory(vm: VmConfig, paths: ChPaths): Promise<void> {
  // The VMM reads it, and keeps what the guest writes to itself: one that could write it could destroy others' memory.
  await using memory = await open(paths.memory, "wx", 0o440);
  await memory.chown(process.geteuid?.() ?? 0, vm.gid);
  await memory.truncate(vm.memoryMib * 1024 * 1024);
}

/** A folder of ours that of others only the VM's group passes through. */
export async function makePassage(path: string, vm: Pick<VmConfig, "gid">): Promise<void> {
  await mkdir(path, { mode: 0o700 });
  await chown(path, process.geteuid?.() ?? 0, vm.gid);
  await chmod(path, 0o710);
}

/** Removes all a VM has, but for its disks and the folder given to it. None of its processes may live: see `own`. */
export async function removeLeftovers(paths: ChPaths): Promise<void> {
  for (const path of [paths.own, paths.vsock, paths.log, paths.state]) {
    await rm(path, { recursive: true, force: true });
  }
}

/** The end of what the VMM said; seccomp's complaints are there too. */
export async function logTail(paths: ChPaths): Promise<string> {
  return (await tailOf(paths.log)) || "its log is empty";
}

/** The end of what the guest wrote to its console. */
export async function consoleTail(paths: ChPaths): Promise<string> {
  return (await tailOf(paths.console)) || "its console is empty";
}

async function tailOf(path: string): Promise<string> {
  return (await readLogTail(path, LOG_TAIL_BYTES).catch(() => "")).replaceAll("\0", "").trim();
}

/** Frees what a file that a VMM writes takes over `bytes`. The VMM writes on at its own place, past a hole. */
export async function trimFile(path: string, bytes: number): Promise<void> {
  const file = await lstat(path);
  if (file.isFile() && file.blocks * 512 > bytes) {
    await emptyLog(path);
  }
}
