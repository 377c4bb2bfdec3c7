/** What exec, start and attach take and give. */

/** A line for the shell, or a program and its arguments. */
export type Command = string | readonly string[];

/** Bytes or text, whole or as they come. Text becomes UTF-8. */
export type ByteSource = string | Uint8Array | ReadableStream<Uint8Array | string> | AsyncIterable<Uint8Array | string>;

/** Names a process: by its id, by its pid in the sandbox, or as the only running one with a tag. */
export type ProcessRef = string | { readonly pid: number } | { readonly tag: string };

/** Size of a terminal's window, in characters. */
export interface PtySize {
  /** 1 to 1,000. */
  readonly columns: number;
  /** 1 to 1,000. */
  readonly rows: number;
}

/** How much output is kept. */
export interface OutputOptions {
  /**
   * Most bytes that are kept for the awaited result, stdout and stderr each; 16 MiB where absent, 0 keeps none. The rest is
   * read and dropped: then `truncated` is true. Iterating sees everything.
   */
  readonly maxOutputBytes?: number | undefined;
}

/** How a program is started. */
export interface ProgramOptions {
  /** Working directory; the user's home where absent. "~" and relative paths count from the home. */
  readonly cwd?: string | undefined;
  /** Added to the sandbox's environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Name or number of the sandbox's user; the default user where absent. */
  readonly user?: string | undefined;
  /** Ends the program after this, milliseconds: SIGTERM, and SIGKILL 5 s later. Then `timedOut` is true. Never where absent. */
  readonly timeoutMs?: number | undefined;
  /** Your name for the process, 1 to 64 of [A-Za-z0-9_-], to attach to it later; made up where absent. */
  readonly processId?: string | undefined;
  /** A label to find it by: `sandbox.attach({ tag })`, `sandbox.processes()`. */
  readonly tag?: string | undefined;
  /** Reads the user's profile first. Only for a shell line. */
  readonly login?: boolean | undefined;
  /**
   * Runs it on a terminal of this size: its output is all of stream "pty", and standard input is the keyboard. For a terminal
   * that a person uses there is `sandbox.pty()`.
   */
  readonly pty?: PtySize | undefined;
  /** How much of its output the sandbox keeps for who attaches later, in bytes: 64 KiB to 16 MiB; 1 MiB where absent. */
  readonly replayBytes?: number | undefined;
}

/** Options of `sandbox.exec`. */
export interface ExecOptions extends ProgramOptions, OutputOptions {
  /** Standard input: a source to feed and close, or true to write by {@link Process.stdin}. Empty where absent. */
  readonly stdin?: ByteSource | true | undefined;
  /** Awaiting throws a {@link CommandFailedError} unless the program ends with exit code 0. */
  readonly check?: boolean | undefined;
  /** Aborting it kills the program (SIGKILL) and throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `sandbox.start`. */
export interface StartOptions extends ProgramOptions {
  /** Keeps standard input open, to be written by whoever attaches; empty where absent. */
  readonly stdin?: boolean | undefined;
  /** Aborting it gives up the wait; the program may have been started. */
  readonly signal?: AbortSignal | undefined;
}

/** A program that runs on its own. */
export interface StartedProcess {
  /** Its name, for `sandbox.attach(id)` and `sandbox.signal(id)`. */
  readonly id: string;
  /** pid in the sandbox. */
  readonly pid: number;
  /** A process with the `processId` given had been started before; nothing was started now. */
  readonly existed: boolean;
}

/** Options of `sandbox.attach`. */
export interface AttachOptions extends OutputOptions {
  /**
   * First byte of output wanted, as in {@link OutputEvent.offset}; 0 where absent. The platform keeps the last `replayBytes`
   * of each process.
   */
  readonly fromOffset?: number | undefined;
  /** Only what comes from now on. */
  readonly fromEnd?: boolean | undefined;
  /** Awaiting throws a {@link CommandFailedError} unless the program ends with exit code 0. */
  readonly check?: boolean | undefined;
  /** Aborting it stops reading and throws the signal's reason; the program runs on. */
  readonly signal?: AbortSignal | undefined;
}

/** A piece of output, in the order in which the program wrote it. */
export interface OutputEvent {
  /** "pty" for everything that a program on a terminal writes. */
  readonly stream: "stdout" | "stderr" | "pty";
  /** Its text. A character that was cut in two comes with the event that completes it, so this may be empty. */
  readonly text: string;
  /** Its bytes. */
  readonly data: Uint8Array;
  /** Offset of its first byte; all streams share one numbering. */
  readonly offset: number;
}

/** How a program ended. */
export interface ProcessExit {
  /** Its exit code; 128 + the signal's number where a signal ended it. */
  readonly exitCode: number;
  /** The signal that ended it, such as "SIGKILL". */
  readonly signal: string | undefined;
  /** Its `timeoutMs` passed. */
  readonly timedOut: boolean;
  /** The sandbox was out of memory. */
  readonly outOfMemory: boolean;
  /** How long the program ran, milliseconds. */
  readonly runTimeMs: number;
}

/** How a program ended, and what it wrote. */
export interface ExecResult extends ProcessExit {
  /** As text; what is no UTF-8 becomes U+FFFD. What a program on a terminal wrote is here too. */
  readonly stdout: string;
  /** As text, empty where the program ran on a terminal. */
  readonly stderr: string;
  /** As it was written. */
  readonly stdoutBytes: Uint8Array;
  /** As it was written. */
  readonly stderrBytes: Uint8Array;
  /** Part of the output is missing above: it was more than `maxOutputBytes`, or bytes were lost. */
  readonly truncated: boolean;
  /** Bytes that the platform no longer had when the connection was back. */
  readonly lostBytes: number;
}
