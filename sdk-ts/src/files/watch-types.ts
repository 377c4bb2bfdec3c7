import type { FileInfo, FileOptions } from "./file-types.ts";

/** Options of `sandbox.files.watch` and `createWatch`. */
export interface WatchOptions extends FileOptions {
  /** All directories below too, also those made later. */
  readonly recursive?: boolean | undefined;
  /** Adds the file's description to each change. */
  readonly info?: boolean | undefined;
}

/** A change below a watched directory. */
export interface FileChange {
  /**
   * "ready": the watch is set, and what happens from here on is told. "renamed": the path is gone, and its new name comes as
   * "created". "attributes": mode, owner or time changed. "overflow": changes were lost, so list the directory again.
   */
  readonly kind:
    | "ready"
    | "created"
    | "written"
    | "removed"
    | "renamed"
    | "attributes"
    | "overflow"
    /** Newer than this package. */
    | "unknown";
  /** Relative to the watched directory; empty for "ready" and "overflow". */
  readonly path: string;
  /** The file now, where `info` was asked for and it is still there. */
  readonly info: FileInfo | undefined;
}
