import { constants } from "node:fs";
import { copyFile, link, rename, rm } from "node:fs/promises";
import { exists } from "./cache.ts";
import { run } from "./run.ts";

/** Puts a cached file into a bundle: as a reflink where the file system has them, else a hard link, else a sparse copy. */
export async function placeFile(from: string, to: string): Promise<void> {
  if (await exists(to)) return; // Bundles name files by content: what is there is what was meant.
  const half = `${to}.${process.pid}.new`;
  try {
    await copyFile(from, half, constants.COPYFILE_FICLONE_FORCE)
      .catch(async () => {
        await rm(half, { force: true });
        await link(from, half);
      })
      .catch(() => run(["cp", "--sparse=always", "--preserve=mode,timestamps", from, half]));
    await rename(half, to);
  } finally {
    await rm(half, { force: true });
  }
}
