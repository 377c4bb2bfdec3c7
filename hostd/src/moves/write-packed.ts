/** A file as it comes out of a tar stream, onto disk: holes stay holes. */
import { type FileHandle, open } from "node:fs/promises";
import type { PackedFile } from "./unpack.ts";

/** The network brings little pieces; a write for each would be slower than the disk. */
const gatheredBytes = 1024 * 1024;

export interface WritePackedOptions {
  readonly mode: number;
  readonly signal: AbortSignal;
  /** Called with how much more was written; throws where that is too much. */
  readonly onBytes: (bytes: number) => Promise<void>;
}

/** Resolves when it is on disk. */
export async function writePacked(
  file: PackedFile,
  path: string,
  { mode, signal, onBytes }: WritePackedOptions,
): Promise<void> {
  await using handle = await open(path, "wx", 0o600);
  const run = { offset: 0, bytes: 0, pieces: [] as Uint8Array[] };
  const flush = async () => {
    if (run.bytes > 0) await writeAll(handle, run.pieces, run.bytes, run.offset);
    await onBytes(run.bytes);
    run.pieces = [];
    run.bytes = 0;
  };
  for await (const { offset, bytes } of file.pieces) {
    signal.throwIfAborted();
    if (run.bytes >= gatheredBytes || offset !== run.offset + run.bytes) await flush();
    if (run.bytes === 0) run.offset = offset;
    run.pieces.push(bytes);
    run.bytes += bytes.length;
  }
  await flush();
  await handle.truncate(file.sizeBytes);
  await handle.chmod(mode);
  await handle.sync();
}

async function writeAll(handle: FileHandle, pieces: Uint8Array[], bytes: number, offset: number): Promise<void> {
  const { bytesWritten } = await handle.writev(pieces, offset);
  if (bytesWritten === bytes) return;
  // A disk that is nearly full takes a part; the rest says why.
  const rest = Buffer.concat(pieces).subarray(bytesWritten);
  for (let done = 0; done < rest.length; ) {
    done += (await handle.write(rest, done, rest.length - done, offset + bytesWritten + done)).bytesWritten;
  }
}
