import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { writeExt4Image } from "./ext4-image.ts";
import type { Kernel } from "./kernel.ts";
import type { Toolbox } from "./toolbox.ts";

export const moduleDiskSources = ["module-disk.ts", "ext4-image.ts"];

/**
 * ext4, read-only, without a journal. Debian's kernels have ext4 built in while squashfs and erofs are modules, the root
 * disk needs it anyway, and uncompressed blocks cost a guest no decompression; the host keeps one copy for all guests.
 */
export const moduleDiskFilesystem = "ext4";

/** Writes the module disk: `/lib/modules/<release>`, the kernel's whole tree with depmod's indexes. */
export async function writeModuleDisk(
  path: string,
  options: { kernel: Kernel; epoch: number; toolbox: Toolbox },
  signal?: AbortSignal,
): Promise<void> {
  const { kernel, epoch, toolbox } = options;
  const { bytes, files } = await measure(kernel.tree);
  // A block for the tail of each file, an inode each, and a tenth for the file system's own tables; rounded to 4 MiB.
  const need = bytes + files * (4096 + 512) + 8 * 2 ** 20;
  const sizeBytes = Math.ceil((need * 1.1) / 2 ** 22) * 2 ** 22;
  const uuid = "5d1f7a3e-0b52-4c7d-8a1e-9c0b6f0e4b02";
  await writeExt4Image(
    path,
    { tree: kernel.tree, sizeBytes, label: "modules", uuid, epoch, writable: false },
    toolbox,
    signal,
  );
}

async function measure(dir: string): Promise<{ bytes: number; files: number }> {
  let bytes = 0;
  let files = 0;
  for (const entry of await readdir(dir, { withFileTypes: true, recursive: true })) {
    files += 1;
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return { bytes, files };
}
