/** A directory's entries, page by page; a listing that broke goes on after the last entry that was given. */
import type { DataPlane } from "../data-plane/data-plane.ts";
import { resuming } from "../data-plane/resuming.ts";
import { ConflictError } from "../errors.ts";
import { fileInfoOf } from "./file-info.ts";
import type { FileInfo, ListFilesOptions } from "./file-types.ts";

export function listFiles(
  plane: DataPlane,
  path: string,
  options: ListFilesOptions,
): AsyncGenerator<FileInfo, void, undefined> {
  const { depth = 0, user = "", xattrs = false } = options;
  const request = { path, depth, user, includeXattrs: xattrs };
  let last: string | undefined;
  return resuming(plane, { signal: plane.signal(options.signal) }, async function* (way, call, progress) {
    let skipTo = last;
    for await (const { files } of way.files.listDirectory(request, call)) {
      progress();
      for (const file of files) {
        if (skipTo === undefined) {
          last = file.path;
          yield fileInfoOf(file);
        } else if (file.path === skipTo) skipTo = undefined;
      }
    }
    if (skipTo !== undefined) throw changed(path);
  });
}

function changed(path: string): ConflictError {
  return new ConflictError(`${path} was changed while it was listed.`, {
    code: "aborted",
    reason: "FILE_CHANGED",
    nextStep: "List it again.",
  });
}
