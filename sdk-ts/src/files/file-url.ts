import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { FileUrlOperation } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { dateOf, defined } from "../convert.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import type { FileOptions } from "./file-types.ts";

/** Options of `sandbox.files.url`. */
export interface FileUrlOptions extends FileOptions {
  /** "read" allows GET and HEAD, "write" PUT and POST; "read" where absent. */
  readonly operation?: "read" | "write" | undefined;
  /** How long it works, milliseconds, 1 s to 7 days; 1 hour where absent. */
  readonly ttlMs?: number | undefined;
}

/** A signed address of a file. Whoever has it can use it and hand it on. */
export interface FileUrl {
  /** Through the control plane. */
  readonly url: string;
  /** Straight to the host; undefined where it has no edge. */
  readonly directUrl: string | undefined;
  /** When both end. */
  readonly expireTime: Date;
}

export async function createFileUrl(plane: DataPlane, path: string, options: FileUrlOptions): Promise<FileUrl> {
  const { operation = "read", ttlMs, user = "", signal } = options;
  const request = defined({
    sandboxId: plane.sandboxId,
    path,
    user,
    operation: operation === "read" ? FileUrlOperation.READ : FileUrlOperation.WRITE,
    ttl: ttlMs === undefined ? undefined : durationFromMs(ttlMs),
  });
  const { connection } = plane;
  const answer = await connection.unary((call) => connection.sandboxes.createFileUrl(request, call), {
    signal,
    headers: plane.headers,
    repeatable: true,
  });
  return { url: answer.url, directUrl: answer.directUrl || undefined, expireTime: dateOf(answer.expireTime) };
}
