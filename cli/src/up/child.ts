/**
 * One program of the platform, kept running: started again when it ends by itself, ended when we are told to.
 *
 * Its parent-death signal is set, so that it does not outlive a `dnah up` that was killed: the next one finds its
 * ports free. VMs are no children of ours and do outlive everything.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { UpError } from "./up-error.ts";

export interface ChildSpec {
  readonly name: string;
  /** Arguments for the Node that runs us: a script and its flags. */
  readonly script: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The line on its standard output that says it is ready begins with this; the rest is given to the caller. */
  readonly readyPrefix: string;
  /** Until the ready line, at each start. */
  readonly readyMs: number;
}

export interface Child {
  /** What followed `readyPrefix` at the first start. */
  readonly ready: string;
  readonly pid: number | undefined;
  /** SIGTERM, and SIGKILL after `graceMs`. Resolves when it is gone. */
  stop(graceMs: number): Promise<void>;
}

/** After one crash, after a second soon behind it, and so on: a child that can't start must not keep a processor busy. */
const restartDelayMs = [100, 200, 500, 1000, 2000];
/** One that lived this long starts at the first delay again. */
const soundAfterMs = 10_000;

/** Starts it and waits until it is ready; throws when it does not get there. */
export async function startChild(spec: ChildSpec, report: (line: string) => void): Promise<Child> {
  let stopping = false;
  let current: ChildProcess;
  let failures = 0;
  let restartTimer: NodeJS.Timeout | undefined;

  function launch(): Promise<string> {
    // Node would open its inspector to every local user on SIGUSR1, and with it all that this process may do.
    const node = [process.execPath, "--disable-sigusr1"];
    const argv = ["--pdeathsig", "SIGTERM", "--", ...node, ...spec.script];
    const child = spawn("setpriv", argv, { stdio: ["ignore", "pipe", "inherit"], env: { ...baseEnv(), ...spec.env } });
    current = child;
    const startedAt = performance.now();
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(notReady(`was not ready after ${spec.readyMs / 1000} s`)), spec.readyMs);
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (!line.startsWith(spec.readyPrefix)) return;
        clearTimeout(late);
        resolve(line.slice(spec.readyPrefix.length).trim());
      });
      child.once("error", (cause) => reject(notReady(`could not be started: ${cause.message}`)));
      child.once("exit", (code, signal) => {
        clearTimeout(late);
        reject(notReady(`ended with ${signal ?? `code ${code}`}`));
        if (!stopping && started) relaunch(performance.now() - startedAt, signal ?? `code ${code}`);
      });
    });
  }

  function relaunch(livedMs: number, ending: string): void {
    if (livedMs > soundAfterMs) failures = 0;
    const delay = restartDelayMs[Math.min(failures, restartDelayMs.length - 1)] as number;
    failures += 1;
    report(`${spec.name} ended with ${ending}; starting it again in ${delay} ms`);
    restartTimer = setTimeout(() => {
      launch().then(
        () => report(`${spec.name} is ready again`),
        (error: Error) => report(error.message),
      );
    }, delay);
  }

  const notReady = (what: string) => new UpError(`${spec.name} ${what}`, "its last log lines are above");
  let started = false;
  const ready = await launch().catch((error: unknown) => {
    current.kill("SIGKILL"); // one that is late would keep its ports, and us, for ever
    throw error;
  });
  started = true;

  return {
    ready,
    get pid() {
      return current.pid;
    },
    async stop(graceMs) {
      stopping = true;
      clearTimeout(restartTimer);
      if (current.exitCode !== null || current.signalCode !== null) return;
      const gone = new Promise((resolve) => current.once("exit", resolve));
      current.kill("SIGTERM");
      const force = setTimeout(() => current.kill("SIGKILL"), graceMs);
      await gone;
      clearTimeout(force);
    },
  };
}

/** Children get what they are given, not whatever the caller's shell has. */
function baseEnv(): Record<string, string> {
  const kept = ["PATH", "HOME", "LANG", "TZ", "NODE_OPTIONS"];
  return Object.fromEntries(
    kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}
