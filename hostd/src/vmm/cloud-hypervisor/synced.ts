/** What is written here is on disk when it is closed. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

export async function openSynced(path: string, mode: number): Promise<{ readonly file: FileHandle } & AsyncDisposable> {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const file = await open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
  return {
    file,
    async [Symbol.asyncDispose]() {
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    },
  };
}

/** Puts on disk what somebody else wrote into a file, or the names in a folder. */
export async function syncPath(path: string): Promise<void> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  await file.sync();
}
