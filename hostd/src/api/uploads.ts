/**
 * Uploads in pieces: each goes to a file beside the target, which is moved over it after the last. A piece that came
 * before changes nothing; one that leaves a gap is INPUT_GAP with the offset to go on at. The size of the half-written
 * file is the only truth, so that an upload goes on after a restart of the daemon, and by either way: rpc or plain HTTP.
 */
import { createHash } from "node:crypto";
import { type FileInfo, FileType } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import type { UploadPiece } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { fieldProblem, type Problem, problem, problemOf } from "@daytonah/lib/problem.ts";
import { checkedInfo } from "./file-convert.ts";
import type { SandboxCall } from "./sandbox-call.ts";
import type { Content } from "./send-content.ts";
import { type WriteTarget, writeAt } from "./write-file.ts";

/** Finished uploads whose last piece may be repeated. */
const maxFinished = 1_000;

export interface UploadProgress {
  /** Bytes that are there: where to go on. */
  readonly offset: bigint;
  readonly complete: boolean;
}

export class Uploads {
  /** What is done for one upload, one after the other. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #interrupts = new Map<string, () => void>();
  readonly #finished = new Map<string, { readonly end: bigint; readonly info: FileInfo }>();

  /**
   * The file's description after the last piece, undefined before. A piece whose content may stay away for long has an
   * `interrupt`: its client came again meanwhile, and the content must break off. What came of it counts.
   */
  write(
    call: SandboxCall,
    target: WriteTarget,
    piece: Omit<UploadPiece, "$typeName">,
    content: Content,
    interrupt?: () => void,
  ): Promise<FileInfo | undefined> {
    const key = keyOf(call, target, piece.uploadId);
    return this.#inTurn(key, async () => {
      if (interrupt) this.#interrupts.set(key, interrupt);
      try {
        return await this.#writePiece(call, target, piece, content, key);
      } finally {
        this.#interrupts.delete(key);
      }
    });
  }

  progress(call: SandboxCall, target: WriteTarget, uploadId: string): Promise<UploadProgress> {
    const key = keyOf(call, target, uploadId);
    return this.#inTurn(key, async () => {
      const size = await sizeOf(call, halfOf(target, uploadId));
      const finished = this.#finished.get(key);
      if (size === undefined && finished) return { offset: finished.end, complete: true };
      return { offset: size ?? 0n, complete: false };
    });
  }

  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    this.#interrupts.get(key)?.();
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(work);
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
    target: WriteTarget,
    { uploadId, offset, last }: Omit<UploadPiece, "$typeName">,
    content: Content,
    key: string,
  ): Promise<FileInfo | undefined> {
    const half = halfOf(target, uploadId);
    const size = await sizeOf(call, half);
    const finished = this.#finished.get(key);
    if (size === undefined && finished && offset > 0n) {
      const end = offset + (await lengthOf(content));
      if (end <= finished.end) return last ? finished.info : undefined;
    }
    const expected = size ?? 0n;
    if (offset > expected) throw gap(expected, `this piece begins at ${offset}`);
    const { rest, end } = skipping(content, expected, offset);
    if (size === undefined) await this.#begin(call, half, target, rest);
    else if (!(rest instanceof Uint8Array && rest.length === 0)) await writeAt(call, half, expected, rest);
    if (!last) return undefined;
    if (expected > end()) throw gap(expected, `its last piece ends at ${end()}`);
    const { path: source, user } = half;
    const present = await statOrUndefined(call, target);
    // As with a write in one call, a link stays, and what it points to changes.
    const destination = present?.symlinkTarget || target.path;
    const info = await call.unary({ case: "moveFile", value: { source, destination, user } }, "fileInfo", checkedInfo);
    this.#finished.delete(key);
    this.#finished.set(key, { end: end(), info });
    const oldest = this.#finished.keys().next().value;
    if (this.#finished.size > maxFinished && oldest !== undefined) this.#finished.delete(oldest);
    return info;
  }

  /** Makes the half-written file; an existing target passes its permission bits on to it. */
  async #begin(call: SandboxCall, half: WriteTarget, target: WriteTarget, content: Content): Promise<void> {
    const present = await statOrUndefined(call, target);
    const mode = present?.type === FileType.FILE ? present.mode & 0o7777 : target.mode;
    await writeAt(call, { ...half, mode }, 0n, content);
  }
}

function keyOf({ sandboxId }: SandboxCall, { user, path }: WriteTarget, uploadId: string): string {
  if (uploadId === "") throw fieldProblem("piece.upload_id", "an upload needs a name");
  return JSON.stringify([sandboxId, user, path, uploadId]);
}

function gap(expected: bigint, but: string): Problem {
  return problem("INPUT_GAP", `The upload has ${expected} bytes, and ${but}.`, {
    metadata: { expected_offset: String(expected) },
  });
}

/** The content, which begins at `offset`, from `start` on; and where it ends, once it was read. */
function skipping(content: Content, start: bigint, offset: bigint): { rest: Content; end: () => bigint } {
  const skip = Number(start - offset);
  if (content instanceof Uint8Array) {
    return { rest: content.subarray(skip), end: () => offset + BigInt(content.length) };
  }
  let seen = 0;
  async function* rest(pieces: AsyncIterable<Uint8Array>) {
    for await (const data of pieces) {
      const left = skip - seen;
      seen += data.length;
      if (left < data.length) yield left > 0 ? data.subarray(left) : data;
    }
  }
  return { rest: rest(content), end: () => offset + BigInt(seen) };
}

async function lengthOf(content: Content): Promise<bigint> {
  if (content instanceof Uint8Array) return BigInt(content.length);
  let length = 0n;
  for await (const data of content) length += BigInt(data.length);
  return length;
}

function halfOf(target: WriteTarget, uploadId: string): WriteTarget {
  return { ...target, path: halfPath(target.path, uploadId) };
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
