/** A program of the platform: it can be killed at any moment, and started again. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

export interface ProgramSpec {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
}

const readyPrefix = "ready ";

export class Program {
  readonly #spec: ProgramSpec;
  #child: ChildProcess | undefined;

  constructor(spec: ProgramSpec) {
    this.#spec = spec;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves with what it says it is when it is ready. It ends when we are gone, however we went. */
  async start(argv = this.#spec.argv): Promise<string> {
    const { env, logFile } = this.#spec;
    const log = createWriteStream(logFile, { flags: "a" });
    const child = spawn("setpriv", ["--pdeathsig", "SIGTERM", "--", ...argv], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env.PATH, ...env },
    });
    this.#child = child;
    child.stderr.pipe(log);
    const ended = once(child, "exit").then(() => {
      throw new Error(`${argv.join(" ")} ended:\n${readFileSync(logFile, "utf8").slice(-4000)}`);
    });
    ended.catch(() => undefined); // one that is killed later is no failure
    const ready = new Promise<string>((resolve) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (line.startsWith(readyPrefix)) resolve(line.slice(readyPrefix.length));
      });
    });
    return Promise.race([ready, ended]);
  }

  /** Resolves when it is gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }
}
