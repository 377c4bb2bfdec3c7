/** Changes as they happen. What happened while a connection was gone can't be known: that is told as an overflow. */
import { FileChangeKind, type FileChange as WireChange } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { lowerNameOf } from "../convert.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import { resuming } from "../data-plane/resuming.ts";
import { UnavailableError } from "../errors.ts";
import { fileInfoOf } from "./file-info.ts";
import type { FileChange, WatchOptions } from "./watch-types.ts";

export function watchFiles(
  plane: DataPlane,
  path: string,
  options: WatchOptions,
): AsyncGenerator<FileChange, void, undefined> {
  const request = watchRequestOf(path, options);
  let wasReady = false;
  return resuming(
    plane,
    { signal: plane.signal(options.signal), heartbeats: true },
    async function* (way, call, progress) {
      for await (const { event } of way.files.watchFiles(request, call)) {
        progress();
        if (event.case !== "change") continue;
        const change = fileChangeOf(event.value);
        if (change.kind !== "ready") yield change;
        else yield wasReady ? { ...change, kind: "overflow" as const } : change;
        wasReady ||= change.kind === "ready";
      }
      throw new UnavailableError("The stream of changes ended too early.", { code: "unavailable" });
    },
  );
}

export function watchRequestOf(path: string, { recursive = false, user = "", info = false }: WatchOptions) {
  return { path, recursive, user, includeInfo: info };
}

export function fileChangeOf({ kind, path, info }: WireChange): FileChange {
  return { kind: lowerNameOf(FileChangeKind, kind), path, info: info && fileInfoOf(info) };
}
