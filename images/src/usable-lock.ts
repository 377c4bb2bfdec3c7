import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import { createScratch } from "./cache.ts";
import { sha256Of } from "./digest.ts";
import { fetchPackages, PackageGone } from "./fetch-packages.ts";
import { formatLock, type Lock, parseLock } from "./lock.ts";
import type { Mirrors } from "./mirror.ts";
import { resolveLock } from "./resolve-lock.ts";

export type UsableLock = { readonly lock: Lock; readonly drifted: boolean };

/** For how long present versions, once resolved in place of vanished ones, are used without asking the mirror again. */
const driftHoldsMs = 24 * 3600_000;

/**
 * Makes sure that a lock's packages are in the cache, and gives that lock. If the mirror has dropped one of them (a point
 * release or security update came after the lock), gives a lock of the present versions and says so; `strict` forbids it.
 */
export async function makeUsableLock(
  options: { root: string; lock: Lock; mirrors: Mirrors; strict: boolean },
  { signal, progress }: { signal?: AbortSignal | undefined; progress: (line: string) => void },
): Promise<UsableLock> {
  const { root, lock, mirrors, strict } = options;
  const driftPath = join(root, "drift", `${sha256Of(formatLock(lock))}.json`);
  const held = strict ? undefined : await readRecent(driftPath);
  if (held === undefined) {
    try {
      await fetchPackages(root, lock.packages, mirrors, { signal, progress });
      return { lock, drifted: false };
    } catch (error) {
      if (!(error instanceof PackageGone)) throw error;
      if (strict) {
        throw new BuildError(
          `the mirror no longer has what is locked (${error.message}), and --locked forbids another: refresh the lock with \`node images/src/refresh-lock.ts\`, or set DNAH_DEBIAN_MIRROR to one that keeps it`,
        );
      }
      progress(
        `warning: the mirror no longer has what is locked (${error.message}); building from present versions, so the bytes will differ from the lock's`,
      );
    }
  } else
    progress(
      "warning: the mirror no longer has what is locked; building from the versions resolved within the last day",
    );
  const present = held ?? (await resolvePresent(options, driftPath, { signal, progress }));
  await fetchPackages(root, present.packages, mirrors, { signal, progress });
  return { lock: present, drifted: true };
}

async function resolvePresent(
  { root, lock, mirrors }: { root: string; lock: Lock; mirrors: Mirrors },
  path: string,
  context: { signal?: AbortSignal | undefined; progress: (line: string) => void },
): Promise<Lock> {
  await using scratch = await createScratch(root);
  const present = await resolveLock(
    { dir: scratch.dir, suite: lock.suite, architecture: lock.architecture, mirrors },
    context,
  );
  await mkdir(join(root, "drift"), { recursive: true });
  const half = join(scratch.dir, "drift.json");
  await writeFile(half, formatLock(present));
  await rename(half, path);
  return present;
}

async function readRecent(path: string): Promise<Lock | undefined> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined || Date.now() - info.mtimeMs > driftHoldsMs) return undefined;
  return parseLock(await readFile(path, "utf8"), path);
}
