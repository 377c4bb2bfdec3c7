/** Reads a file as a stream that is continued where a connection broke, as long as the file is still the same. */

import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { FileInfo as WireFileInfo } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { convertError } from "../convert-error.ts";
import type { DataPlane } from "../data-plane.ts";
import { ConflictError, UnavailableError } from "../errors.ts";
import { waitToRetry } from "../retry.ts";
import type { ReadOptions } from "./file-types.ts";

export async function* readFile(plane: DataPlane, path: string, options: ReadOptions): AsyncGenerator<Uint8Array> {
  const { offset = 0, length = 0, user = "" } = options;
  const signal = plane.signal(options.signal);
  let received = 0;
  let first: WireFileInfo | undefined;
  for (let failures = 0; ; ) {
    const stream = new AbortController();
    const call = plane.streamCall(AbortSignal.any([signal, stream.signal]));
    const request = {
      path,
      user,
      offset: BigInt(offset + received),
      length: BigInt(length === 0 ? 0 : length - received),
    };
    try {
      signal.throwIfAborted();
      for await (const { part } of plane.connection.files.readFile(request, call)) {
        if (part.case === "info") {
          first ??= part.value;
          if (versionOf(first) !== versionOf(part.value)) throw changed(path);
        } else if (part.case === "data") {
          failures = 0;
          received += part.value.length;
          yield part.value;
        }
      }
      if (first) return;
      throw new UnavailableError("The stream of the file ended too early.", { code: "unavailable" });
    } catch (error) {
      if (length > 0 && received >= length) return; // all that was asked for; 0 would ask for the rest
      failures += 1;
      await waitToRetry(plane.connection.options.retry, failures, convertError(error, signal), signal);
    } finally {
      stream.abort();
    }
  }
}

function versionOf({ size, modifyTime }: WireFileInfo): string {
  return `${size} ${modifyTime ? timestampMs(modifyTime) : ""}`;
}

function changed(path: string): ConflictError {
  return new ConflictError(`${path} was changed while it was read.`, { code: "aborted", nextStep: "Read it again." });
}
