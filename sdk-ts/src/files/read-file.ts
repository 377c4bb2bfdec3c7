/** Reads a file as a stream that is continued where a connection broke, as long as the file is still the same. */

import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { FileInfo as WireFileInfo } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import { resuming } from "../data-plane/resuming.ts";
import { ConflictError, UnavailableError } from "../errors.ts";
import type { ReadOptions } from "./file-types.ts";

export function readFile(
  plane: DataPlane,
  path: string,
  options: ReadOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { offset = 0, length = 0, user = "" } = options;
  let received = 0;
  let first: WireFileInfo | undefined;
  return resuming(plane, { signal: plane.signal(options.signal) }, async function* (way, call, progress) {
    if (length > 0 && received >= length) return; // all that was asked for; 0 would ask for the rest
    const left = BigInt(length === 0 ? 0 : length - received);
    const request = { path, user, offset: BigInt(offset + received), length: left };
    for await (const { part } of way.files.readFile(request, call)) {
      if (part.case === "info") {
        first ??= part.value;
        if (versionOf(first) !== versionOf(part.value)) throw changed(path);
      } else if (part.case === "data") {
        progress();
        received += part.value.length;
        yield part.value;
      }
    }
    if (!first) throw new UnavailableError("The stream of the file ended too early.", { code: "unavailable" });
  });
}

function versionOf({ size, modifyTime }: WireFileInfo): string {
  return `${size} ${modifyTime ? timestampMs(modifyTime) : ""}`;
}

function changed(path: string): ConflictError {
  return new ConflictError(`${path} was changed while it was read.`, {
    code: "aborted",
    reason: "FILE_CHANGED",
    nextStep: "Read it again.",
  });
}
