/** What a path in a sandbox is. */
export interface FileInfo {
  /** Absolute path. */
  readonly path: string;
  /** Its last part. */
  readonly name: string;
  readonly type: "file" | "directory" | "symlink" | "other" | "unknown";
  /** Bytes. */
  readonly size: number;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  /** Owner's name, or the number as text. */
  readonly owner: string;
  /** Group's name, or the number as text. */
  readonly group: string;
  /** When its content last changed. */
  readonly modifyTime: Date;
  /** Where a link points, absolute; undefined where it is broken or no link. */
  readonly symlinkTarget: string | undefined;
}

export interface FileOptions {
  /** As which of the sandbox's users; the default user where absent. */
  readonly user?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ReadOptions extends FileOptions {
  /** First byte; 0 where absent. */
  readonly offset?: number | undefined;
  /** Number of bytes; to the end where absent. */
  readonly length?: number | undefined;
}

export interface ReadWholeOptions extends ReadOptions {
  /** A file with more bytes than this is a {@link LimitError}; 256 MiB where absent. For larger ones there is `stream`. */
  readonly maxBytes?: number | undefined;
}

export interface WriteOptions extends FileOptions {
  /** Permission bits of a new file; 0o644 where absent. */
  readonly mode?: number | undefined;
}
