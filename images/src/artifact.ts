import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cachedDir, createScratch } from "./cache.ts";
import { sha256OfFile } from "./digest.ts";

export type Artifact = { readonly path: string; readonly sha256: string };

/** Gives a cached file by its key, or makes it; its digest is computed once and kept beside it. */
export async function cachedArtifact(
  root: string,
  kind: string,
  key: string,
  make: (path: string, scratch: string) => Promise<void>,
): Promise<Artifact> {
  const dir = await cachedDir(root, join("artifacts", `${kind}-${key}`), async (made) => {
    await using scratch = await createScratch(root);
    const path = join(made, kind);
    await make(path, scratch.dir);
    await chmod(path, 0o444);
    await writeFile(join(made, "sha256"), await sha256OfFile(path));
  });
  return { path: join(dir, kind), sha256: await readFile(join(dir, "sha256"), "utf8") };
}
