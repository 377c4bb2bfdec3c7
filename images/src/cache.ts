import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where the environment says that caches belong. */
export function cacheDirOf(env: Readonly<Record<string, string | undefined>>): string {
  if (env.DNAH_CACHE_DIR) return env.DNAH_CACHE_DIR;
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), ".cache"), "daytonah");
}

/**
 * Gives the directory `<root>/<name>`, making it if it is not there. `make` fills a scratch directory, which is renamed
 * into place when complete: a kill leaves nothing half-made, and of two builders at once the first to finish wins.
 */
export async function cachedDir(root: string, name: string, make: (scratch: string) => Promise<void>): Promise<string> {
  const path = join(root, name);
  if (await exists(path)) return path;
  await using scratch = await createScratch(root);
  const half = join(scratch.dir, "made");
  await mkdir(half);
  await make(half);
  await mkdir(join(path, ".."), { recursive: true });
  try {
    await rename(half, path);
  } catch (error) {
    if (!(await exists(path))) throw error;
  }
  return path;
}

/** A scratch directory on the cache's own file system (so that rename works), gone when disposed. */
export async function createScratch(root: string): Promise<AsyncDisposable & { readonly dir: string }> {
  const parent = join(root, "tmp");
  await mkdir(parent, { recursive: true });
  await sweep(parent);
  const dir = join(parent, `${process.pid}-${randomBytes(6).toString("hex")}`);
  await mkdir(dir, { mode: 0o700 });
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

const sweepAfterMs = 6 * 3600_000;

/** Removes what killed builders left. The age guards builders whose pid we cannot see (another container on this cache). */
async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    const info = await stat(path).catch(() => undefined);
    if (info === undefined || isAlive(Number.parseInt(name, 10)) || Date.now() - info.ctimeMs < sweepAfterMs) continue;
    await rm(path, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

export function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
