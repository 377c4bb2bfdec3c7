/** `dnah up --detach` and `dnah down`: the platform in the background. */
import { spawn } from "node:child_process";
import { fstatSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Layout } from "./layout.ts";
import { UpError } from "./up-error.ts";

export interface RunningPlatform {
  /** Of `dnah up`. */
  readonly pid: number;
  readonly url: string;
}

const logRotateBytes = 10 * 1024 * 1024;

/** The platform that runs with this layout, if one does. */
export function runningPlatform(layout: Layout): RunningPlatform | undefined {
  try {
    const state = JSON.parse(readFileSync(layout.stateFile, "utf8")) as RunningPlatform;
    const command = readFileSync(`/proc/${state.pid}/cmdline`, "utf8").split("\0");
    return command.includes("up") ? state : undefined;
  } catch {
    return undefined;
  }
}

/** Starts `dnah up` with these arguments as a daemon; resolves when it is ready. */
export async function detach(layout: Layout, argv: readonly string[]): Promise<RunningPlatform> {
  mkdirSync(dirname(layout.logFile), { recursive: true });
  if ((statSync(layout.logFile, { throwIfNoEntry: false })?.size ?? 0) > logRotateBytes) {
    renameSync(layout.logFile, `${layout.logFile}.1`);
  }
  const log = openSync(layout.logFile, "a", 0o600);
  const logStart = fstatSync(log).size;
  const child = spawn(process.execPath, [...argv], { detached: true, stdio: ["ignore", log, log] });
  child.unref();
  let ended = false;
  child.once("exit", () => {
    ended = true;
  });
  while (!ended) {
    const running = runningPlatform(layout);
    if (running?.pid === child.pid && running !== undefined) return running;
    await sleep(50);
  }
  throw new UpError(
    `the platform did not start; the end of ${layout.logFile} says:\n${tail(layout.logFile, logStart)}`,
    "mend that, then run it again",
  );
}

/** Ends a platform that runs in the background. Its VMs go on. */
export async function down(layout: Layout): Promise<RunningPlatform | undefined> {
  const running = runningPlatform(layout);
  if (running === undefined) return undefined;
  process.kill(running.pid, "SIGTERM");
  while (runningPlatform(layout) !== undefined) await sleep(50);
  return running;
}

/** The last lines of this run. */
function tail(file: string, from: number): string {
  return readFileSync(file)
    .subarray(from)
    .toString()
    .trimEnd()
    .split("\n")
    .slice(-12)
    .map((line) => `  ${line}`)
    .join("\n");
}
