import { chmod, chown, link, lstat, mkdir, readFile, writeFile } from "node:fs/promises";
import type { VmConfig } from "../vmm.ts";
import type { ChRestore } from "./api-types.ts";
import { cloneConfig, readSnapshotConfig } from "./clone-config.ts";
import { withoutMemoryRanges } from "./clone-state.ts";
import type { SnapshotContent } from "./manifest.ts";
import type { ChPaths } from "./paths.ts";
import { snapshotFilesOf } from "./snapshot-files.ts";
import { digestOf } from "./take-snapshot.ts";
import type { ChHost } from "./vm-config.ts";

/**
 * Lays out what a VM is restored from: the snapshot's config and state, edited for this VM, and a link to its memory. The
 * memory is never written: whoever is restored keeps what its guest changes to itself. It stays as long as a VM has a
 * link to it, also when the snapshot is deleted.
 */
export async function makeClone(
  snapshotDir: string,
  content: SnapshotContent,
  vm: { readonly config: VmConfig; readonly paths: ChPaths; readonly host: ChHost },
): Promise<void> {
  const { config, paths, host } = vm;
  const [from, to] = [snapshotFilesOf(snapshotDir), snapshotFilesOf(paths.clone)];
  for (const [path, sha256] of [
    [from.config, content.sha256.config] as const,
    [from.state, content.sha256.state] as const,
  ]) {
    if ((await digestOf(path)) !== sha256) {
      throw new Error(`${path}: is not what was written when the snapshot was taken`);
    }
  }
  if ((await lstat(from.memory)).size !== content.memoryBytes) {
    throw new Error(`${from.memory}: has another size than when the snapshot was taken`);
  }
  const snapshot = readSnapshotConfig(await readFile(from.config, "utf8"));
  const state = await readFile(from.state, "utf8");
  const zone = content.zone;

  await mkdir(paths.clone, { mode: 0o700 });
  await writeFor(config.gid, to.config, JSON.stringify(cloneConfig(snapshot, config, paths, host)));
  await writeFor(config.gid, to.state, zone ? withoutMemoryRanges(state, content.memoryBytes) : state);
  await linkMemory(from.memory, zone ? paths.memory : to.memory);
  await chown(paths.clone, process.geteuid?.() ?? 0, config.gid);
  await chmod(paths.clone, 0o750);
}

/**
 * How the VMM is told to restore it: it runs at once. Never `OnDemand`: v53 copies all memory behind one's back then, a page at a time, and takes no snapshot meanwhile.
 */
export function restoreCall(paths: ChPaths, mode: ChRestore["memory_restore_mode"]): ChRestore {
  return { source_url: `file://${paths.clone}`, memory_restore_mode: mode, resume: true };
}

async function writeFor(gid: number, path: string, text: string): Promise<void> {
  await writeFile(path, text, { flag: "wx", mode: 0o440 });
  await chown(path, process.geteuid?.() ?? 0, gid);
}

async function linkMemory(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EXDEV") {
      throw new Error(`${source}: is on another file system than ${target}, which maps it; keep both on one`, {
        cause: error,
      });
    }
    throw error;
  }
}
