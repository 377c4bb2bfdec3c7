import { readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Architecture } from "./architecture.ts";
import { cachedDir } from "./cache.ts";
import { keyOf } from "./digest.ts";
import { packagePath } from "./fetch-packages.ts";
import { type Lock, packagesOf } from "./lock.ts";
import { type RunOptions, run } from "./run.ts";

/** The build's own tools, out of the lock. */
export type Toolbox = {
  /** Runs one of its programs, such as `usr/bin/lz4`. Paths as the packages have them: bookworm still has /sbin and /bin. */
  run(argv: readonly string[], options?: RunOptions): Promise<Buffer>;
};

/**
 * Unpacks the lock's `tools` into the cache and runs them with their own loader and libraries. mke2fs of Debian 12 and of
 * Debian 13 do not write the same bytes; with the lock's one, the same lock gives the same bytes on both.
 */
export async function openToolbox(
  root: string,
  lock: Lock,
  architecture: Architecture,
  signal?: AbortSignal,
): Promise<Toolbox> {
  const packages = packagesOf(lock, "tools");
  const key = keyOf({ layout: 1, packages: packages.map((item) => item.sha256) });
  const dir = await cachedDir(root, join("toolboxes", key), async (scratch) => {
    for (const item of packages) await run(["dpkg-deb", "-x", packagePath(root, item), scratch], { signal });
  });
  const libraries = ["lib", "usr/lib"].map((lib) => join(dir, lib, architecture.triplet));
  const loader = join(libraries[0] ?? "", architecture.loader);
  return {
    run: async ([program = "", ...rest], options = {}) => {
      // depmod is a link to /bin/kmod, which here would be the host's; kmod in turn knows its part by the name it has.
      const target = await readlink(join(dir, program)).catch(() => program);
      const file = join(dir, target.startsWith("/") || target === program ? target : join(program, "..", target));
      return run([loader, "--library-path", libraries.join(":"), "--argv0", basename(program), file, ...rest], {
        name: basename(program),
        ...options,
      });
    },
  };
}
