import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { customiseTree } from "./customise-tree.ts";
import { writeExt4Image } from "./ext4-image.ts";
import { type Lock, packagesOf } from "./lock.ts";
import { makeRootTree } from "./root-tree.ts";
import type { Toolbox } from "./toolbox.ts";

export const templateSources = ["template.ts", "root-tree.ts", "customise-tree.ts", "ext4-image.ts"];

export const baseTemplate = {
  name: "base",
  description: "Debian 12 with Python 3, Node.js, git and curl; user `user` with sudo",
  /** Apparent size: some free space for those who ask for no more. The file is sparse. */
  sizeBytes: 2 * 2 ** 30,
  /** Named with their versions in the bundle. */
  notable: ["python3", "nodejs", "git"],
} as const;

/** Writes the base template's root disk. */
export async function writeBaseTemplate(
  path: string,
  options: { root: string; scratch: string; lock: Lock; toolbox: Toolbox },
  { signal, progress }: { signal?: AbortSignal | undefined; progress: (line: string) => void },
): Promise<void> {
  const { root, scratch, lock, toolbox } = options;
  const epoch = lock.sourceDateEpoch;
  const dir = join(scratch, "tree");
  await mkdir(dir, { mode: 0o755 });
  await makeRootTree(
    { root, scratch, dir, suite: lock.suite, packages: packagesOf(lock, "base"), epoch },
    { signal, progress },
  );
  await customiseTree(dir, { suite: lock.suite, epoch }, signal);
  progress("writing the template's ext4 image");
  const uuid = "5d1f7a3e-0b52-4c7d-8a1e-9c0b6f0e4b01";
  await writeExt4Image(
    path,
    { tree: dir, sizeBytes: baseTemplate.sizeBytes, label: "root", uuid, epoch, writable: true },
    toolbox,
    signal,
  );
  await rm(dir, { recursive: true });
}
