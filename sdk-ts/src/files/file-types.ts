/** What files of a sandbox are, and how they are asked for. */

/** Kinds of file; "unknown" is newer than this package. */
export type FileType = "file" | "directory" | "symlink" | "other" | "unknown";

/** What a path in a sandbox is. */
export interface FileInfo {
  /** Absolute path. */
  readonly path: string;
  /** Its last part. */
  readonly name: string;
  /** What it is; a link is "symlink", whatever it points to. */
  readonly type: FileType;
  /** Bytes. */
  readonly size: number;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  /** Owner's name, or the number as text. */
  readonly owner: string;
  /** Group's name, or the number as text. */
  readonly group: string;
  /** Numeric owner. */
  readonly uid: number;
  /** Numeric group. */
  readonly gid: number;
  /** When its content last changed. */
  readonly modifyTime: Date;
  /** Where a link points, absolute; undefined where it is broken or no link. */
  readonly symlinkTarget: string | undefined;
  /** Kind of what a link points to; undefined where it is broken or no link. */
  readonly targetType: FileType | undefined;
  /** Extended attributes of the `user.` namespace, without the prefix; empty where not asked for. */
  readonly xattrs: Readonly<Record<string, Uint8Array>>;
}

/** Options of every call about files. */
export interface FileOptions {
  /** As which of the sandbox's users; the default user where absent. */
  readonly user?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Which part of a file is read. */
export interface ReadOptions extends FileOptions {
  /** First byte; 0 where absent. */
  readonly offset?: number | undefined;
  /** Number of bytes; to the end where absent. */
  readonly length?: number | undefined;
}

/** Options of `sandbox.files.read` and `readText`. */
export interface ReadWholeOptions extends ReadOptions {
  /** A file with more bytes than this is a {@link LimitError}; 256 MiB where absent. For larger ones there is `stream`. */
  readonly maxBytes?: number | undefined;
}

/** Options of `sandbox.files.write`. */
export interface WriteOptions extends FileOptions {
  /** Permission bits of a new file; 0o644 where absent. */
  readonly mode?: number | undefined;
}

/** Options of `sandbox.files.list`. */
export interface ListFilesOptions extends FileOptions {
  /** Levels below the directory, 1 to 64; 1 where absent. */
  readonly depth?: number | undefined;
  /** Also reads extended attributes. */
  readonly xattrs?: boolean | undefined;
}

/** Options of `sandbox.files.mkdir`. */
export interface MakeDirectoryOptions extends FileOptions {
  /** Permission bits; 0o755 where absent. */
  readonly mode?: number | undefined;
  /** A directory that is there already is a ConflictError (FILE_EXISTS); otherwise that is well. */
  readonly mustBeNew?: boolean | undefined;
}

/** Options of `sandbox.files.move`. */
export interface MoveOptions extends FileOptions {
  /** A file at the destination is a ConflictError (FILE_EXISTS); otherwise it is replaced. */
  readonly noReplace?: boolean | undefined;
}

/** Options of `sandbox.files.remove`. */
export interface RemoveOptions extends FileOptions {
  /** A directory with all below it; otherwise only an empty one. */
  readonly recursive?: boolean | undefined;
  /** No error where nothing is there. */
  readonly missingOk?: boolean | undefined;
}

/** What to change of a file; what is absent stays. */
export interface FileAttributes {
  /** Permission bits, 0 to 0o7777. */
  readonly mode?: number | undefined;
  /** Name or number of the owner. */
  readonly owner?: string | undefined;
  /** Name or number of the group. */
  readonly group?: string | undefined;
  /** When the content last changed. */
  readonly modifyTime?: Date | undefined;
  /** Extended attributes of the `user.` namespace, without the prefix. Text becomes UTF-8; undefined or empty removes one. */
  readonly xattrs?: Readonly<Record<string, string | Uint8Array | undefined>> | undefined;
}

/** Options of `sandbox.files.setAttributes`. */
export interface SetAttributesOptions extends FileOptions {
  /** Everything below too; links are not followed. */
  readonly recursive?: boolean | undefined;
}
