/**
 * Uploads in pieces: each goes to a file beside the target, which is moved over it after the last. A piece that came
 * before changes nothing; one that leaves a gap is INPUT_GAP with the offset to go on at. The size of the half-written
 * file is the only truth, so that an upload goes on after a restart of the daemon.
 */
import { createHash } from "node:crypto";
import { type FileInfo, FileType } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import type { UploadPiece } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { fieldProblem, problem, problemOf } from "@daytonah/lib/problem.ts";
import { checkedInfo } from "./file-convert.ts";
import type { SandboxCall } from "./sandbox-call.ts";
import { type WriteTarget, writeAt } from "./write-file.ts";

/** Finished uploads whose last piece may be repeated. */
const maxFinished = 1_000;

interface UploadRequest extends WriteTarget {
  readonly data: Uint8Array;
}

export class Uploads {
  /** Pieces of one upload, one after the other. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #finished = new Map<string, { readonly end: bigint; readonly info: FileInfo }>();

  /** The file's description after the last piece, undefined before. */
  async write(call: SandboxCall, request: UploadRequest, piece: UploadPiece): Promise<FileInfo | undefined> {
    if (piece.uploadId === "") throw fieldProblem("piece.upload_id", "an upload needs a name");
    const key = JSON.stringify([call.sandboxId, request.user, request.path, piece.uploadId]);
    const before = this.#turns.get(key) ?? Promise.resolve();
    const turn = before.then(() => this.#writePiece(call, request, piece, key));
    const settled = turn.catch(() => undefined);
    this.#turns.set(key, settled);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(key) === settled) this.#turns.delete(key);
    }
  }

  async #writePiece(
    call: SandboxCall,
    request: UploadRequest,
    { uploadId, offset, last }: UploadPiece,
    key: string,
  ): Promise<FileInfo | undefined> {
    const end = offset + BigInt(request.data.length);
    const half = { ...request, path: halfPath(request.path, uploadId) };
    const size = await sizeOf(call, half);
    const finished = this.#finished.get(key);
    if (size === undefined && finished && end <= finished.end && offset > 0n) {
      return last ? finished.info : undefined;
    }
    const expected = size ?? 0n;
    if (offset > expected) {
      throw problem("INPUT_GAP", `The upload has ${expected} bytes, and this piece begins at ${offset}.`, {
        metadata: { expected_offset: String(expected) },
      });
    }
    if (size === undefined) await this.#begin(call, half, request);
    else if (end > expected) await writeAt(call, half, offset, request.data);
    if (!last) return undefined;
    if (expected > end) {
      throw problem("INPUT_GAP", `The upload has ${expected} bytes already, and its last piece ends at ${end}.`, {
        metadata: { expected_offset: String(expected) },
      });
    }
    const { path: source, user } = half;
    const target = await statOrUndefined(call, request);
    // As with a write in one call, a link stays, and what it points to changes.
    const destination = target?.symlinkTarget || request.path;
    const info = await call.unary({ case: "moveFile", value: { source, destination, user } }, "fileInfo", checkedInfo);
    this.#finished.delete(key);
    this.#finished.set(key, { end, info });
    const oldest = this.#finished.keys().next().value;
    if (this.#finished.size > maxFinished && oldest !== undefined) this.#finished.delete(oldest);
    return info;
  }

  /** Makes the half-written file; an existing target passes its permission bits on to it. */
  async #begin(call: SandboxCall, half: WriteTarget, request: UploadRequest): Promise<void> {
    const target = await statOrUndefined(call, request);
    const mode = target?.type === FileType.FILE ? target.mode & 0o7777 : request.mode;
    await writeAt(call, { ...half, mode }, 0n, request.data);
  }
}

/** Beside the target, so that the move is a rename. The target's name is hashed: the two names together may be too long. */
function halfPath(path: string, uploadId: string): string {
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  if (name === "" || name === "." || name === "..") throw fieldProblem("path", "it must name a file");
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 12);
  return `${path.slice(0, slash + 1)}.upload-${uploadId}-${hash}`;
}

async function sizeOf(call: SandboxCall, target: WriteTarget): Promise<bigint | undefined> {
  return (await statOrUndefined(call, target))?.size;
}

async function statOrUndefined(call: SandboxCall, { path, user }: WriteTarget): Promise<FileInfo | undefined> {
  try {
    return await call.unary({ case: "statFile", value: { path, user } }, "fileInfo", checkedInfo);
  } catch (error) {
    if (problemOf(error)?.reason === "FILE_NOT_FOUND") return undefined;
    throw error;
  }
}
