import { joinBytes } from "../bytes.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import { LimitError, NotFoundError } from "../errors.ts";
import type { ByteSource } from "../exec/exec-types.ts";
import {
  type ArchiveWritten,
  type ReadArchiveOptions,
  readArchive,
  type WriteArchiveOptions,
  writeArchive,
} from "./archive.ts";
import { fileInfoOf } from "./file-info.ts";
import type {
  FileAttributes,
  FileInfo,
  FileOptions,
  ListFilesOptions,
  MakeDirectoryOptions,
  MoveOptions,
  ReadOptions,
  ReadWholeOptions,
  RemoveOptions,
  SetAttributesOptions,
  WriteOptions,
} from "./file-types.ts";
import { createFileUrl, type FileUrl, type FileUrlOptions } from "./file-url.ts";
import { FileWatch } from "./file-watch.ts";
import { listFiles } from "./list-files.ts";
import { readFile } from "./read-file.ts";
import { findFiles, replaceInFiles, searchFiles } from "./search-files.ts";
import type { FileReplacement, FindOptions, ReplaceOptions, SearchOptions, TextMatch } from "./search-types.ts";
import { setAttributes } from "./set-attributes.ts";
import { watchFiles } from "./watch-files.ts";
import type { FileChange, WatchOptions } from "./watch-types.ts";
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
    return joinBytes(chunks);
  }

  /** The file as text; what is no UTF-8 becomes U+FFFD. */
  async readText(path: string, options: ReadWholeOptions = {}): Promise<string> {
    return new TextDecoder().decode(await this.read(path, options));
  }

  /**
   * The file piece by piece, for what is too large for memory. It goes on behind your back where the connection broke, and
   * throws a ConflictError (FILE_CHANGED) where the file was changed meanwhile.
   */
  stream(path: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    return readFile(this.#plane, path, options);
  }

  /**
   * Writes the file and makes missing folders. The path changes at once and whole: no reader sees half a file.
   * Anything over 1 MiB goes in pieces of 8 MiB, one in memory at a time; it goes on where a connection broke.
   */
  async write(path: string, content: ByteSource, options: WriteOptions = {}): Promise<FileInfo> {
    return fileInfoOf(await writeFile(this.#plane, path, content, options));
  }

  /**
   * A directory with all below it as a tar archive, as it is made. Where it breaks after its first bytes it throws.
   *
   * @example
   * for await (const bytes of sandbox.files.readArchive("project")) archive.write(bytes); // to a file, to `tar -x` …
   */
  readArchive(directory: string, options: ReadArchiveOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    return readArchive(this.#plane, directory, options);
  }

  /** Unpacks a tar archive into a directory, which is made where it is missing. What is there already is replaced. */
  writeArchive(directory: string, archive: ByteSource, options: WriteArchiveOptions = {}): Promise<ArchiveWritten> {
    return writeArchive(this.#plane, directory, archive, options);
  }

  /** What is at the path. */
  async stat(path: string, options: FileOptions = {}): Promise<FileInfo> {
    const { user = "", signal } = options;
    const answer = await this.#plane.unary((way, call) => way.files.statFile({ path, user }, call), {
      signal,
      repeatable: true,
    });
    return fileInfoOf(answer.info);
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

  /**
   * A directory's entries, sorted by path, each directory before what is in it.
   *
   * @example
   * for await (const { path, type, size } of sandbox.files.list("src", { depth: 3 })) console.log(type, path, size);
   * const names = await Array.fromAsync(sandbox.files.list("."), ({ name }) => name);
   */
  list(path: string, options: ListFilesOptions = {}): AsyncGenerator<FileInfo, void, undefined> {
    return listFiles(this.#plane, path, options);
  }

  /** Makes a directory and those above it that are missing. */
  async mkdir(path: string, options: MakeDirectoryOptions = {}): Promise<FileInfo> {
    const { mode = 0, user = "", mustBeNew = false, signal } = options;
    const request = { path, mode, user, mustBeNew };
    const answer = await this.#plane.unary((way, call) => way.files.makeDirectory(request, call), {
      signal,
      repeatable: !mustBeNew,
    });
    return fileInfoOf(answer.info);
  }

  /** Moves or renames a path. `to` is its new path, not the directory to move it into; missing folders of it are made. */
  async move(from: string, to: string, options: MoveOptions = {}): Promise<FileInfo> {
    const { user = "", noReplace = false, signal } = options;
    const request = { source: from, destination: to, user, noReplace };
    const answer = await this.#plane.unary((way, call) => way.files.moveFile(request, call), {
      signal,
      repeatable: false,
    });
    return fileInfoOf(answer.info);
  }

  /** Removes a file, a link or an empty directory; with `recursive` a directory with all below it. */
  async remove(path: string, options: RemoveOptions = {}): Promise<void> {
    const { user = "", recursive = false, missingOk = false, signal } = options;
    const request = { path, user, recursive, missingOk };
    await this.#plane.unary((way, call) => way.files.removeFile(request, call), { signal, repeatable: missingOk });
  }

  /**
   * Changes permission bits, owner, time or extended attributes; what is not named stays.
   *
   * @example
   * await sandbox.files.setAttributes("bin/tool", { mode: 0o755, owner: "root" }, { user: "root" });
   */
  setAttributes(path: string, attributes: FileAttributes, options: SetAttributesOptions = {}): Promise<FileInfo> {
    return setAttributes(this.#plane, path, attributes, options);
  }

  /**
   * The changes below a directory as they happen, "ready" first. After a broken connection comes "overflow": list the
   * directory again. Nothing is lost silently.
   *
   * @example
   * for await (const { kind, path } of sandbox.files.watch("src", { recursive: true })) console.log(kind, path);
   */
  watch(directory: string, options: WatchOptions = {}): AsyncGenerator<FileChange, void, undefined> {
    return watchFiles(this.#plane, directory, options);
  }

  /** A watch that is asked for its changes; see {@link FileWatch}. Throws a LimitError (GUEST_LIMIT_EXCEEDED) over 64. */
  createWatch(directory: string, options: WatchOptions = {}): Promise<FileWatch> {
    return FileWatch.create(this.#plane, directory, options);
  }

  /**
   * Finds files and directories by name, below a directory. Links are not followed.
   *
   * @example
   * for await (const { path } of sandbox.files.find(".", { name: "*.py", exclude: ["node_modules"] })) console.log(path);
   */
  find(directory: string, options: FindOptions = {}): AsyncGenerator<FileInfo, void, undefined> {
    return findFiles(this.#plane, directory, options);
  }

  /**
   * Finds lines by content, in one file or in all below a directory. Binary files are passed over.
   *
   * @example
   * for await (const { path, line, text } of sandbox.files.search("src", "TODO")) console.log(`${path}:${line}: ${text}`);
   */
  search(path: string, text: string, options: SearchOptions = {}): AsyncGenerator<TextMatch, void, undefined> {
    return searchFiles(this.#plane, path, text, options);
  }

  /**
   * Replaces text in files, 1 to 1,000 of them of up to 16 MiB each; each changes at once and whole. One answer for each path, in their order: a
   * file that failed stands beside those that did not.
   */
  replace(
    paths: readonly string[],
    pattern: string,
    replacement: string,
    options: ReplaceOptions = {},
  ): Promise<readonly FileReplacement[]> {
    return replaceInFiles(this.#plane, paths, pattern, replacement, options);
  }

  /**
   * A signed address under which anybody can read, or write, this one file for a time, by GET or PUT. A new access token of the
   * sandbox ends it.
   */
  url(path: string, options: FileUrlOptions = {}): Promise<FileUrl> {
    return createFileUrl(this.#plane, path, options);
  }
}
