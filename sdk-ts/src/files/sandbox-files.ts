import { FileType, type FileInfo as WireFileInfo } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { dateOf, lowerNameOf } from "../convert.ts";
import type { DataPlane } from "../data-plane.ts";
import { LimitError, NotFoundError } from "../errors.ts";
import type { ByteSource } from "../exec/exec-types.ts";
import { joinBytes } from "../exec/output-collector.ts";
import type { FileInfo, FileOptions, ReadOptions, ReadWholeOptions, WriteOptions } from "./file-types.ts";
import { readFile } from "./read-file.ts";
import { writeFile } from "./write-file.ts";

const defaultMaxBytes = 256 * 1024 * 1024;

/**
 * The files of a sandbox; at `sandbox.files`. "~" and relative paths count from the user's home.
 *
 * All methods throw a NotFoundError (FILE_NOT_FOUND), a PermissionDeniedError (FILE_ACCESS_DENIED) or a ConflictError
 * (FILE_WRONG_TYPE) where the path calls for it.
 *
 * @example
 * await sandbox.files.write("app/main.py", "print('hello')");
 * console.log(await sandbox.files.readText("app/main.py"));
 */
export class SandboxFiles {
  readonly #plane: DataPlane;

  /** @internal */
  constructor(plane: DataPlane) {
    this.#plane = plane;
  }

  /** The file's bytes. */
  async read(path: string, options: ReadWholeOptions = {}): Promise<Uint8Array> {
    const { maxBytes = defaultMaxBytes } = options;
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.stream(path, options)) {
      size += chunk.length;
      if (size > maxBytes) {
        throw new LimitError(`${path} has more than ${maxBytes} bytes.`, {
          code: "resource_exhausted",
          nextStep: "Use files.stream(path), or raise maxBytes.",
        });
      }
      chunks.push(chunk);
    }
    return joinBytes(chunks, size);
  }

  /** The file as text; what is no UTF-8 becomes U+FFFD. */
  async readText(path: string, options: ReadWholeOptions = {}): Promise<string> {
    return new TextDecoder().decode(await this.read(path, options));
  }

  /**
   * The file piece by piece, for what is too large for memory. It goes on behind your back where the connection broke, and
   * throws a ConflictError where the file was changed meanwhile.
   */
  stream(path: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    return readFile(this.#plane, path, options);
  }

  /**
   * Writes the file and makes missing folders. The path changes at once and whole: no reader sees half a file.
   * Anything over 1 MiB goes in pieces, one in memory at a time.
   */
  async write(path: string, content: ByteSource, options: WriteOptions = {}): Promise<FileInfo> {
    return fromWire(await writeFile(this.#plane, path, content, options));
  }

  /** What is at the path. */
  async stat(path: string, options: FileOptions = {}): Promise<FileInfo> {
    const { user = "", signal } = options;
    const answer = await this.#plane.unary((call) => this.#plane.connection.files.statFile({ path, user }, call), {
      signal,
      repeatable: true,
    });
    return fromWire(answer.info);
  }

  /** Whether anything is at the path. */
  async exists(path: string, options: FileOptions = {}): Promise<boolean> {
    try {
      await this.stat(path, options);
      return true;
    } catch (error) {
      if (error instanceof NotFoundError && error.reason === "FILE_NOT_FOUND") return false;
      throw error;
    }
  }
}

function fromWire(info: WireFileInfo | undefined): FileInfo {
  if (!info) throw new TypeError("The platform's answer lacks the file's description.");
  return {
    path: info.path,
    name: info.name,
    type: lowerNameOf(FileType, info.type),
    size: Number(info.size),
    mode: info.mode,
    owner: info.owner,
    group: info.group,
    modifyTime: dateOf(info.modifyTime),
    symlinkTarget: info.symlinkTarget || undefined,
  };
}
