import { statfs } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { BuildError } from "./build-error.ts";
import { exists } from "./cache.ts";
import { hostPrograms } from "./host-packages.ts";

/** Bytes a build from nothing takes at its peak: packages, the tree, the image, the kernel. */
const neededBytes = 2.5 * 2 ** 30;

/** Says before a long build what would make it fail half-way. */
export async function checkHost(root: string): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new BuildError("building images needs root (files of a template belong to several users): run it with sudo");
  const path = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  const missing = new Set<string>();
  for (const [program, brings] of Object.entries(hostPrograms)) {
    const found = await Promise.all(path.map((dir) => exists(join(dir, program))));
    if (!found.includes(true)) missing.add(brings);
  }
  if (missing.size > 0) throw new BuildError(`programs are missing: run \`apt-get install ${[...missing].join(" ")}\``);
  const { bavail, bsize } = await statfs(root);
  const free = bavail * bsize;
  if (free < neededBytes) {
    throw new BuildError(
      `${root} has ${(free / 2 ** 30).toFixed(1)} GiB free and a build takes ${neededBytes / 2 ** 30}: free some, or set DNAH_CACHE_DIR to a larger file system`,
    );
  }
}
