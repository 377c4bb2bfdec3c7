/** Runs `dnah` as a user does: its launcher, as a process, in a home of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ServedFake, serveFake } from "daytonah/testing/serve-fake.ts";

/** Shared, or each test's new home would have to compile everything anew. */
const compileCache = join(tmpdir(), "dnah-cli-test-compile-cache");
const launcher = fileURLToPath(new URL("../../bin/dnah", import.meta.url));

export interface CliResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly child: ChildProcess;
  readonly result: Promise<CliResult>;
  /** Resolves once stdout or stderr has this text. */
  printed(text: string): Promise<void>;
  /** What it has printed so far. */
  stdout(): string;
}

export interface CliFixture extends AsyncDisposable {
  readonly fake: ServedFake;
  readonly home: string;
  /** Where dnah finds the fake platform. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Without URL and key in the environment where `env` says so. */
  start(args: readonly string[], options?: { input?: string; env?: Record<string, string | undefined> }): RunningCli;
  run(...args: string[]): Promise<CliResult>;
}

export async function cliFixture(): Promise<CliFixture> {
  const fake = await serveFake();
  const home = mkdtempSync(join(tmpdir(), "dnah-cli-"));
  const own = {
    HOME: home,
    NODE_COMPILE_CACHE: compileCache,
    DNAH_URL: fake.url,
    DNAH_API_KEY: fake.platform.apiKey,
  };
  const start: CliFixture["start"] = (args, { input, env } = {}) => {
    const child = spawn(launcher, args, {
      cwd: home,
      env: { ...process.env, ...own, ...env },
    });
    const printed = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].on("data", (chunk: Buffer) => {
        printed[name] += chunk.toString();
      });
    }
    child.stdin.on("error", () => undefined);
    if (input !== undefined) child.stdin.end(input);
    const result = new Promise<CliResult>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (exitCode) => resolve({ exitCode, ...printed }));
    });
    const has = async (text: string) => {
      const ended = result.then((all) =>
        Promise.reject(new Error(`it ended without "${text}": ${JSON.stringify(all)}`)),
      );
      ended.catch(() => undefined);
      while (!(printed.stdout + printed.stderr).includes(text)) {
        await Promise.race([new Promise((resolve) => setTimeout(resolve, 5)), ended]);
      }
    };
    return { child, result, printed: has, stdout: () => printed.stdout };
  };
  return {
    fake,
    home,
    env: own,
    start,
    run: (...args) => start(args, { input: "" }).result,
    async [Symbol.asyncDispose]() {
      await fake[Symbol.asyncDispose]();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
