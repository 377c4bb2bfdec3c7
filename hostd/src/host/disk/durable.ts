/** What is written here survives a power cut before it is answered. */
import { open, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A whole file, beside its place first. */
export async function writeDurably(dir: string, name: string, text: string): Promise<void> {
  const path = join(dir, name);
  await writeFile(`${path}.new`, text, { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
  await syncPath(dir);
}

/** A file's bytes, or the names in a folder. */
export async function syncPath(path: string): Promise<void> {
  await using handle = await open(path);
  await handle.sync();
}

/** A folder of files: their bytes, and their names. */
export async function syncFolder(dir: string): Promise<void> {
  for (const name of await readdir(dir)) await syncPath(join(dir, name));
  await syncPath(dir);
}
