/** Reads a tar stream that a host packed, and trusts nothing in it: plain files, what is in each by offset, without its holes. */
import { finished, Readable } from "node:stream";
import { fieldProblem, problemOf } from "@daytonah/lib/problem.ts";
import { extract, type Header } from "tar-stream";
import { type Segment, SparseMapReader } from "./sparse-map.ts";

interface Entry extends AsyncIterable<Uint8Array> {
  readonly header: Header;
}

export interface PackedFile {
  readonly name: string;
  /** Who may read it, and whether its owner may write to it. */
  readonly mode: number;
  /** With its holes. */
  readonly sizeBytes: number;
  /** What is in it, in order. To be read before the next file is asked for. */
  readonly pieces: AsyncIterable<PackedPiece>;
}

export interface PackedPiece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What breaks the body, or aborts, is thrown as it is; FIELD_INVALID where it is no such archive. */
export async function* unpack(
  body: AsyncIterable<Uint8Array>,
  { signal }: { readonly signal: AbortSignal },
): AsyncGenerator<PackedFile> {
  signal.throwIfAborted();
  const tar = extract();
  const source = Readable.from(body, { objectMode: false });
  let broken: Error | undefined;
  const breakOff = (error: Error) => {
    broken ??= error;
    tar.destroy(error);
  };
  const onAbort = () => breakOff(signal.reason as Error);
  signal.addEventListener("abort", onAbort, { once: true });
  finished(source, (error) => error && breakOff(error));
  const meaningOf = (error: unknown) => broken ?? problemOf(error) ?? badArchive((error as Error).message);
  source.pipe(tar);
  try {
    for await (const entry of tar as AsyncIterable<Entry>) yield fileOf(entry, meaningOf);
    if (broken) throw broken;
  } catch (error) {
    throw meaningOf(error);
  } finally {
    signal.removeEventListener("abort", onAbort);
    source.destroy();
  }
}

export function badArchive(why: string) {
  return fieldProblem("body", `this is not what a host packs: ${why}`);
}

function fileOf(entry: Entry, meaningOf: (error: unknown) => unknown): PackedFile {
  const { name, type, size } = entry.header;
  const pax = (entry.header.pax ?? {}) as Readonly<Record<string, string>>;
  if (type !== "file") throw badArchive(`${name} is no file`);
  const sparse = Object.keys(pax).some((key) => key.startsWith("GNU.sparse."));
  const mode = entry.header.mode & 0o644;
  if (!sparse) return { name, mode, sizeBytes: size, pieces: explained(plainPieces(entry), meaningOf) };
  const { "GNU.sparse.major": major, "GNU.sparse.minor": minor, "GNU.sparse.realsize": realSize = "" } = pax;
  if (major !== "1" || minor !== "0") throw badArchive(`holes are written down as in format ${major}.${minor}`);
  const sizeBytes = /^[0-9]{1,15}$/.test(realSize) ? Number(realSize) : Number.NaN;
  if (!Number.isSafeInteger(sizeBytes)) throw badArchive("a file with holes has no size");
  const pieces = explained(sparsePieces(entry, sizeBytes, size), meaningOf);
  return { name: pax["GNU.sparse.name"] ?? name, mode, sizeBytes, pieces };
}

async function* explained<T>(pieces: AsyncIterable<T>, meaningOf: (error: unknown) => unknown): AsyncGenerator<T> {
  try {
    yield* pieces;
  } catch (error) {
    throw meaningOf(error);
  }
}

async function* plainPieces(entry: Entry): AsyncGenerator<PackedPiece> {
  let offset = 0;
  for await (const bytes of entry) {
    yield { offset, bytes };
    offset += bytes.length;
  }
}

async function* sparsePieces(entry: Entry, sizeBytes: number, packedBytes: number): AsyncGenerator<PackedPiece> {
  const map = new SparseMapReader();
  let segments: Segment[] | undefined;
  let at = 0;
  let done = 0;
  for await (const piece of entry) {
    let data: Uint8Array = piece;
    if (!segments) {
      const rest = map.take(piece);
      if (!rest) continue;
      data = rest;
      segments = map.segments();
      requireFitting(segments, sizeBytes, packedBytes - map.mapBytes);
    }
    while (data.length > 0) {
      const segment = segments[at];
      if (!segment) throw badArchive("there is more data than the map of holes says");
      const bytes: Uint8Array = data.subarray(0, segment.bytes - done);
      if (bytes.length > 0) yield { offset: segment.offset + done, bytes };
      data = data.subarray(bytes.length);
      done += bytes.length;
      if (done < segment.bytes) break;
      at += 1;
      done = 0;
    }
  }
  if (!segments) throw badArchive("a file with holes has no map of them");
}

function requireFitting(segments: readonly Segment[], sizeBytes: number, dataBytes: number): void {
  let end = 0;
  let sum = 0;
  for (const { offset, bytes } of segments) {
    if (offset < end || offset + bytes > sizeBytes) throw badArchive("a map of holes leaves its file");
    end = offset + bytes;
    sum += bytes;
  }
  if (sum !== dataBytes) throw badArchive("a map of holes does not fit its data");
}
