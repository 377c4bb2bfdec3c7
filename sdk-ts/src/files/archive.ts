/** Trees of files as tar archives, over plain HTTP. */
import { streamsUploads } from "#transport";
import { chunksOf, streamOf } from "../bytes.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import type { DataWay } from "../data-plane/data-way.ts";
import { httpRequest } from "../data-plane/http-request.ts";
import { resuming } from "../data-plane/resuming.ts";
import type { ByteSource } from "../exec/exec-types.ts";
import type { FileOptions } from "./file-types.ts";

/** Options of `sandbox.files.readArchive`. */
export interface ReadArchiveOptions extends FileOptions {
  /** Only these, below the directory; at most 1,000. Everything where absent. */
  readonly names?: readonly string[] | undefined;
}

/** Options of `sandbox.files.writeArchive`. */
export interface WriteArchiveOptions extends FileOptions {
  /** Keeps the archive's numeric owners; needs `user: "root"`. */
  readonly keepOwner?: boolean | undefined;
}

/** What was unpacked. */
export interface ArchiveWritten {
  /** Number of files, directories and links. */
  readonly entries: number;
  /** Bytes of content. */
  readonly bytes: number;
}

export function readArchive(
  plane: DataPlane,
  path: string,
  { names, user, signal: caller }: ReadArchiveOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  let given = false;
  const options = { signal: plane.signal(caller), mayResume: () => !given };
  return resuming(plane, options, async function* (way, { signal }) {
    const query = { path, names, user };
    const answer = await httpRequest(plane, way, { method: "GET", resource: "archive", query, signal });
    for await (const chunk of chunksOf(answer.body ?? "")) {
      given = true;
      yield chunk;
    }
  });
}

export async function writeArchive(
  plane: DataPlane,
  path: string,
  archive: ByteSource,
  { keepOwner = false, user, signal: caller }: WriteArchiveOptions,
): Promise<ArchiveWritten> {
  const signal = plane.signal(caller);
  const query = { path, user, ...(keepOwner ? { keep_owner: "true" } : {}) };
  const put = async (way: DataWay, body: BodyInit) => {
    const answer = await httpRequest(plane, way, { method: "PUT", resource: "archive", query, body, signal });
    const { entries, bytes } = (await answer.json()) as { entries: string; bytes: string };
    return { entries: Number(entries), bytes: Number(bytes) };
  };
  if (typeof archive === "string" || archive instanceof Uint8Array) {
    return plane.repeating(signal, (way) => put(way, archive as string | Uint8Array<ArrayBuffer>));
  }
  const stream = streamOf(chunksOf(archive));
  // A browser can't send what it has not got whole; it keeps it on its disk.
  if (!streamsUploads) {
    const whole = await new Response(stream).blob();
    return plane.repeating(signal, (way) => put(way, whole));
  }
  return put(await plane.way(), stream);
}
