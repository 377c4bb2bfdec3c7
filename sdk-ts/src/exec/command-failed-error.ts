import type { ExecResult } from "./exec-types.ts";

/** A program did not end with exit code 0, and `check` or `orThrow()` asked for that. */
export class CommandFailedError extends Error {
  override readonly name = "CommandFailedError";
  /** How it ended, with its output. */
  readonly result: ExecResult;

  constructor(result: ExecResult) {
    super(`The command ${ending(result)}${lastLine(result.stderr)}`);
    this.result = result;
  }

  /** As in `result`. */
  get exitCode(): number {
    return this.result.exitCode;
  }
}

function ending({ exitCode, signal, timedOut, outOfMemory, runTimeMs }: ExecResult): string {
  if (timedOut) return `was ended after its timeout (${Math.round(runTimeMs)} ms)`;
  if (outOfMemory) return "was ended: the sandbox was out of memory";
  if (signal) return `was ended by ${signal}`;
  return `ended with exit code ${exitCode}`;
}

function lastLine(stderr: string): string {
  const line = stderr.trimEnd().split("\n").at(-1)?.slice(0, 500);
  return line ? `: ${line}` : ".";
}
