/**
 * Logs that programs of less trusted users write, through descriptors that we opened for them. No link is followed and
 * no more than the end is read, whatever they made of it.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

export function openLog(path: string): Promise<FileHandle> {
  return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
}

export async function emptyLog(path: string): Promise<void> {
  await using log = await open(path, O_WRONLY | O_NOFOLLOW);
  await log.truncate(0);
}

/** The last bytes of a log; nothing where it is not a regular file. */
export async function readLogTail(path: string, bytes: number): Promise<string> {
  // Else the open of a fifo waits for a writer.
  await using log = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  const file = await log.stat();
  if (!file.isFile()) return "";
  const buffer = Buffer.alloc(Math.min(bytes, file.size));
  const { bytesRead } = await log.read(buffer, 0, buffer.length, file.size - buffer.length);
  return buffer.toString("utf8", 0, bytesRead);
}
