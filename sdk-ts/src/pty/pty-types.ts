import type { Command } from "../exec/exec-types.ts";

/** Options of `sandbox.pty`. */
export interface PtyOptions {
  /** What runs on it: a line for the shell, or program and arguments. The user's login shell where absent. */
  readonly command?: Command | undefined;
  /** Width of the window in characters, 1 to 1,000; 80 where absent. */
  readonly columns?: number | undefined;
  /** Height of the window in lines, 1 to 1,000; 24 where absent. */
  readonly rows?: number | undefined;
  /** Added to the sandbox's environment. TERM is "xterm-256color" where absent. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Working directory; the user's home where absent. */
  readonly cwd?: string | undefined;
  /** Name or number of the sandbox's user; the default user where absent. */
  readonly user?: string | undefined;
  /** Your name for the process, 1 to 64 of [A-Za-z0-9_-], to attach to it later; made up where absent. */
  readonly processId?: string | undefined;
  /** A label to find it by: `sandbox.attachPty({ tag })`, `sandbox.processes()`. */
  readonly tag?: string | undefined;
  /** How much of its output the sandbox keeps for who attaches later, in bytes: 64 KiB to 16 MiB; 1 MiB where absent. */
  readonly replayBytes?: number | undefined;
  /** Aborting it hangs the terminal up (SIGHUP) and throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `sandbox.attachPty`. */
export interface AttachPtyOptions {
  /** First byte of output wanted, as in {@link Pty.offset}; 0, or the oldest that is kept, where absent. */
  readonly fromOffset?: number | undefined;
  /** Only what comes from now on. */
  readonly fromEnd?: boolean | undefined;
  /** Aborting it lets go of the terminal and throws the signal's reason; the program runs on. */
  readonly signal?: AbortSignal | undefined;
}
