import { chmod, chown, lstat, mkdir, open, rm } from "node:fs/promises";
import type { VmConfig } from "../vmm.ts";
import type { QemuPaths } from "./args.ts";

/** Makes the folders of a VM that is about to start, anew. None of its uid's processes may live. */
export async function makeFolders(memoryDir: string, vm: VmConfig, paths: QemuPaths): Promise<void> {
  await rm(paths.own, { recursive: true, force: true });
  await mkdir(paths.own, { mode: 0o700 });
  await chown(paths.own, vm.uid, vm.gid);

  await secureMemoryDir(memoryDir);
  await rm(paths.memoryFolder, { recursive: true, force: true });
  // Ours, and the file in it the VM's: a snapshot copies the file as root, and must not find a link there.
  await mkdir(paths.memoryFolder, { mode: 0o700 });
  await chown(paths.memoryFolder, process.geteuid?.() ?? 0, vm.gid);
  await chmod(paths.memoryFolder, 0o710);
  await using memory = await open(paths.memory, "wx", 0o600);
  await memory.chown(vm.uid, vm.gid);
}

/**
 * Makes the folder of all guests' memory, or refuses the one that is there: in /dev/shm every user of the host can be the
 * first to take a name, and would then own what lies below it.
 */
export async function secureMemoryDir(dir: string): Promise<void> {
  try {
    await mkdir(dir, { mode: 0o711 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw error;
    }
  }
  const found = await lstat(dir);
  const uid = process.geteuid?.();
  const lack = !found.isDirectory()
    ? "is not a directory"
    : found.uid !== uid
      ? `belongs to uid ${found.uid}, not ${uid}`
      : (found.mode & 0o022) !== 0
        ? "may be written to by other users"
        : undefined;
  if (lack !== undefined) {
    throw new Error(`${dir} is to hold the memory of VMs, and ${lack}: remove it, or set DNAH_MEMORY_DIR`);
  }
}
