import type { FileOptions } from "./file-types.ts";

/** Options of `sandbox.files.find`. */
export interface FindOptions extends FileOptions {
  /** Names to find, such as "*.py" (`*`, `?`, `[a-z]`, `[!a-z]`); every one where absent. */
  readonly name?: string | undefined;
  /** Letters match in either case. */
  readonly ignoreCase?: boolean | undefined;
  /** Names, such as "node_modules" or ".*", that are passed over with all below them; 64 at most. */
  readonly exclude?: readonly string[] | undefined;
  /** Ends after this many results, 1 to 100,000; 1,000 where absent. */
  readonly limit?: number | undefined;
}

/** Options of `sandbox.files.search`. */
export interface SearchOptions extends FindOptions {
  /** The text is a regular expression, in RE2's syntax without `\p{…}`. */
  readonly regex?: boolean | undefined;
}

/** A line that matches. */
export interface TextMatch {
  /** Absolute path of the file. */
  readonly path: string;
  /** Number of the line, from 1. */
  readonly line: number;
  /** Position of the match in the line, in bytes from 1. */
  readonly column: number;
  /** The line, 4 KiB at most. */
  readonly text: string;
}

/** Options of `sandbox.files.replace`. */
export interface ReplaceOptions extends FileOptions {
  /** The pattern is a regular expression, in RE2's syntax without `\p{…}`; $1 or ${name} in the replacement stand for its groups. */
  readonly regex?: boolean | undefined;
}

/** What became of one file. */
export interface FileReplacement {
  /** The path, as it was given. */
  readonly path: string;
  /** Number of places that were replaced; where it is 0 the file was not written. */
  readonly replacements: number;
  /** Why this file failed; `reason` is the name of an {@link ErrorReason}. Undefined where it did not. */
  readonly failure: { readonly reason: string; readonly message: string } | undefined;
}
