import { spawn } from "node:child_process";
import { BuildError } from "./build-error.ts";

export type RunOptions = {
  readonly signal?: AbortSignal | undefined;
  readonly cwd?: string;
  /** What to call the program in an error, where its path would say little. */
  readonly name?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Written to the program's standard input. */
  readonly input?: string | Buffer;
  /** Called with each line of standard error while the program runs. */
  readonly onLine?: (line: string) => void;
};

export type RunResult = { readonly code: number; readonly stdout: Buffer; readonly stderr: string };

/** Runs a program to its end, whatever its exit code. Aborting kills it and everything it started. */
export function runToEnd(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [program, ...rest] = argv;
  if (program === undefined) throw new TypeError("run needs a program");
  const { signal, cwd, env, input, onLine } = options;
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    // Its own process group: mmdebstrap starts dpkg, which starts maintainer scripts, and all must go.
    const child = spawn(program, rest, {
      cwd,
      env: env ?? process.env,
      detached: true,
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const kill = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // Already gone, which is what was wanted.
      }
    };
    signal?.addEventListener("abort", kill, { once: true });
    const stdout: Buffer[] = [];
    let stderr = "";
    let partial = "";
    child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      stderr = (stderr + chunk).slice(-65_536);
      if (onLine === undefined) return;
      const lines = (partial + chunk).split("\n");
      partial = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    });
    child.stdin?.on("error", () => {}); // EPIPE: the exit code tells more than the pipe does.
    child.stdin?.end(input);
    child.on("error", (cause) => {
      signal?.removeEventListener("abort", kill);
      reject(
        new BuildError(`${program} could not be started (${cause.message}): install the package that brings it`, {
          cause,
        }),
      );
    });
    child.on("close", (code) => {
      signal?.removeEventListener("abort", kill);
      if (signal?.aborted) reject(signal.reason);
      else resolve({ code: code ?? 128, stdout: Buffer.concat(stdout), stderr });
    });
  });
}

/** Runs a program and gives its standard output; any exit code but 0 is an error that quotes the end of its standard error. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Buffer> {
  const { code, stdout, stderr } = await runToEnd(argv, options);
  if (code === 0) return stdout;
  const tail = stderr.trim().split("\n").slice(-6).join("\n  ");
  const space = /no space left on device/i.test(tail)
    ? "; free some disk space, or set DNAH_CACHE_DIR to a larger file system"
    : "";
  throw new BuildError(`${options.name ?? argv[0]} ended with exit code ${code}${space}:\n  ${tail}`);
}
