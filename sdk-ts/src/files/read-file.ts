/** Reads a file as a stream that is continued where a connection broke, as long as the file is still the same. */
import { chunksOf } from "../bytes.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import { httpRequest } from "../data-plane/http-request.ts";
import { resuming } from "../data-plane/resuming.ts";
import { ConflictError, DaytonahError } from "../errors.ts";
import type { ReadOptions } from "./file-types.ts";

export function readFile(
  plane: DataPlane,
  path: string,
  options: ReadOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { offset = 0, length, user } = options;
  let received = 0;
  let version: string | undefined;
  return resuming(plane, { signal: plane.signal(options.signal) }, async function* (way, { signal }, progress) {
    if (length !== undefined && received >= length) return;
    const start = offset + received;
    const end = length === undefined ? "" : offset + length - 1;
    // Asking for a range, even of everything, keeps the bytes as they are: compressed ones could not be gone on with.
    const headers = { range: `bytes=${start}-${end}`, ...(version ? { "if-range": version } : {}) };
    const request = { method: "GET", resource: "files", query: { path, user }, headers, signal } as const;
    try {
      const answer = await httpRequest(plane, way, request);
      if (version && answer.status !== 206) throw changed(path);
      version ??= answer.headers.get("etag") ?? undefined;
      for await (const chunk of chunksOf(answer.body ?? "")) {
        progress();
        received += chunk.length;
        yield chunk;
      }
    } catch (error) {
      if (!isPastTheEnd(error)) throw error;
    }
  });
}

/** An empty file has no first byte; there is nothing to read, and that is no error. */
function isPastTheEnd(error: unknown): boolean {
  return error instanceof DaytonahError && error.reason === "RANGE_INVALID";
}

function changed(path: string): ConflictError {
  return new ConflictError(`${path} was changed while it was read.`, {
    code: "aborted",
    reason: "FILE_CHANGED",
    nextStep: "Read it again.",
  });
}
