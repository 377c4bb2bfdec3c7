import type { DataPlane } from "../data-plane/data-plane.ts";
import { fileChangeOf, watchRequestOf } from "./watch-files.ts";
import type { FileChange, WatchOptions } from "./watch-types.ts";

/**
 * A watch that is asked for its changes from time to time, for who can't keep a stream open. It ends when nobody asked for
 * 10 minutes; a sandbox has at most 64.
 *
 * @example
 * await using watch = await sandbox.files.createWatch("src", { recursive: true });
 * for (const { kind, path } of await watch.read()) console.log(kind, path);
 */
export class FileWatch implements AsyncDisposable {
  /** Its name on the platform. */
  readonly id: string;
  readonly #plane: DataPlane;
  #cursor = 0n;

  /** @internal */
  constructor(plane: DataPlane, id: string) {
    this.#plane = plane;
    this.id = id;
  }

  /** @internal */
  static async create(plane: DataPlane, path: string, options: WatchOptions): Promise<FileWatch> {
    const request = watchRequestOf(path, options);
    const { watchId } = await plane.unary((way, call) => way.files.createFileWatch(request, call), {
      signal: options.signal,
      repeatable: false,
    });
    return new FileWatch(plane, watchId);
  }

  /**
   * What happened since the last time, oldest first, at most 1,000 changes at once; empty where nothing did.
   * Throws a NotFoundError (RESOURCE_NOT_FOUND) where the watch is over: make another, and list the directory.
   */
  async read(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<readonly FileChange[]> {
    const request = { watchId: this.id, cursor: this.#cursor };
    const answer = await this.#plane.unary((way, call) => way.files.readFileWatch(request, call), {
      signal: options.signal,
      repeatable: true,
    });
    this.#cursor = answer.nextCursor;
    return answer.changes.map(fileChangeOf);
  }

  /** Ends the watch. No error where it is over. */
  async close(): Promise<void> {
    const request = { watchId: this.id };
    await this.#plane.unary((way, call) => way.files.deleteFileWatch(request, call), { repeatable: true });
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
