import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable } from "node:stream";

/** Starts a program that is ended (SIGTERM) when we are gone, however we went. */
export function spawnDependent(
  argv: readonly string[],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv },
): ChildProcessByStdio<null, Readable, Readable> {
  return spawn("setpriv", ["--pdeathsig", "SIGTERM", "--", ...argv], { ...options, stdio: ["ignore", "pipe", "pipe"] });
}
