/** What exec takes and gives. */

/** Bytes or text, whole or as they come. Text becomes UTF-8. */
export type ByteSource = string | Uint8Array | ReadableStream<Uint8Array | string> | AsyncIterable<Uint8Array | string>;

export interface OutputOptions {
  /**
   * Most bytes that are kept for the awaited result, stdout and stderr each; 16 MiB where absent, 0 keeps none. The rest is
   * read and dropped: then `truncated` is true. Iterating sees everything.
   */
  readonly maxOutputBytes?: number | undefined;
}

export interface ExecOptions extends OutputOptions {
  /** Working directory; the user's home where absent. "~" and relative paths count from the home. */
  readonly cwd?: string | undefined;
  /** Added to the sandbox's environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Name or number of the sandbox's user; the default user where absent. */
  readonly user?: string | undefined;
  /** Ends the program after this, milliseconds: SIGTERM, and SIGKILL 5 s later. Then `timedOut` is true. Never where absent. */
  readonly timeoutMs?: number | undefined;
  /** Standard input: a source to feed and close, or true to write by {@link Process.stdin}. Empty where absent. */
  readonly stdin?: ByteSource | true | undefined;
  /** Your name for the process, 1 to 64 of [A-Za-z0-9_-], to attach to it later; made up where absent. */
  readonly processId?: string | undefined;
  /** A label to find it by among `sandbox.processes()`. */
  readonly tag?: string | undefined;
  /** Reads the user's profile first. Only for a shell line. */
  readonly login?: boolean | undefined;
  /** Awaiting throws a {@link CommandFailedError} unless the program ends with exit code 0. */
  readonly check?: boolean | undefined;
  /** Aborting it kills the program (SIGKILL) and throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface AttachOptions extends OutputOptions {
  /** First byte of output wanted, as in {@link OutputEvent.offset}; 0 where absent. The platform keeps the last MiB at least. */
  readonly fromOffset?: number | undefined;
  /** Only what comes from now on. */
  readonly fromEnd?: boolean | undefined;
  readonly check?: boolean | undefined;
  /** Aborting it stops reading and throws the signal's reason; the program runs on. */
  readonly signal?: AbortSignal | undefined;
}

/** A piece of output, in the order in which the program wrote it. */
export interface OutputEvent {
  readonly stream: "stdout" | "stderr" | "pty";
  /** Its text. A character that was cut in two comes with the event that completes it, so this may be empty. */
  readonly text: string;
  readonly data: Uint8Array;
  /** Offset of its first byte; all streams share one numbering. */
  readonly offset: number;
}

/** How a program ended, and what it wrote. */
export interface ExecResult {
  /** Its exit code; 128 + the signal's number where a signal ended it. */
  readonly exitCode: number;
  /** The signal that ended it, such as "SIGKILL". */
  readonly signal: string | undefined;
  /** Its `timeoutMs` passed. */
  readonly timedOut: boolean;
  /** The sandbox was out of memory. */
  readonly outOfMemory: boolean;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderrBytes: Uint8Array;
  /** Part of the output is missing above: it was more than `maxOutputBytes`, or bytes were lost. */
  readonly truncated: boolean;
  /** Bytes that the platform no longer had when the connection was back. */
  readonly lostBytes: number;
  /** How long the program ran, milliseconds. */
  readonly runTimeMs: number;
}
