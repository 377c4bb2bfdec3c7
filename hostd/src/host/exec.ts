import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access, open } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { openLog } from "./log-file.ts";
import { killProcess, type ProcessId, readChild } from "./process-table.ts";

/** Runs the host's commands: argv arrays, never a shell. */
export interface CommandRunner {
  /** Resolves with what the command wrote when it exits with 0; rejects with CommandError otherwise. */
  run(argv: readonly string[], options: CommandOptions): Promise<CommandOutput>;
}

export interface CommandOptions {
  readonly signal: AbortSignal;
  /** Standard input; nothing where absent. */
  readonly input?: string | Uint8Array;
  /** Bytes kept of each of stdout and stderr. A command that writes more is ended. Default 1 MiB. */
  readonly outputLimit?: number;
  readonly cwd?: string;
}

export interface CommandOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that could not start, exited with another code than 0, or wrote too much. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly argv: readonly string[];
  /** Undefined where it did not exit by itself. */
  readonly exitCode: number | undefined;
  readonly stderr: string;

  constructor(argv: readonly string[], what: string, stderr: string, exitCode?: number, options?: ErrorOptions) {
    super(`${argv.join(" ")}: ${what}${stderr === "" ? "" : `: ${stderr.trim().slice(-2000)}`}`, options);
    this.argv = argv;
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

/** Where commands are looked up, whatever environment we were started with. */
export const COMMAND_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export const COMMAND_ENVIRONMENT = { LC_ALL: "C", PATH: COMMAND_PATH };

export function createCommandRunner(): CommandRunner {
  return { run: runCommand };
}

function runCommand(argv: readonly string[], options: CommandOptions): Promise<CommandOutput> {
  const [file, ...args] = argv;
  if (file === undefined) {
    throw new RangeError("argv is empty");
  }
  options.signal.throwIfAborted();
  const limit = options.outputLimit ?? 1024 * 1024;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      env: COMMAND_ENVIRONMENT,
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    let overflow = false;
    const kill = () => child.kill("SIGKILL");
    const collect = (chunks: Buffer[]) => {
      let size = 0;
      return (chunk: Buffer) => {
        size += chunk.length;
        if (size > limit) {
          overflow = true;
          kill();
        } else {
          chunks.push(chunk);
        }
      };
    };
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on("data", collect(out));
    child.stderr?.on("data", collect(err));
    // A command may end without reading its input: its exit code tells, not EPIPE.
    child.stdin?.on("error", () => {});
    child.stdin?.end(options.input);
    options.signal.addEventListener("abort", kill, { once: true });
    let failure: Error | undefined;
    child.on("error", (cause) => {
      failure = cause;
    });
    child.on("close", (code, signal) => {
      options.signal.removeEventListener("abort", kill);
      const stderr = Buffer.concat(err).toString();
      if (failure !== undefined) {
        reject(new CommandError(argv, failure.message, "", undefined, { cause: failure }));
      } else if (options.signal.aborted) {
        reject(options.signal.reason);
      } else if (overflow) {
        reject(new CommandError(argv, `wrote more than ${limit} bytes`, ""));
      } else if (code !== 0) {
        const what = code === null ? `ended by ${signal}` : `exited with ${code}`;
        reject(new CommandError(argv, what, stderr, code ?? undefined));
      } else {
        resolve({ stdout: Buffer.concat(out).toString(), stderr });
      }
    });
  });
}

/** A process that outlives us. */
export interface DaemonSpec {
  /** The program, by absolute path or by name in COMMAND_PATH, and its arguments. */
  readonly argv: readonly string[];
  /** Who it runs as: without other groups than these, capabilities, or ways to gain any. Absent: as we do. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Supplementary groups of its owner; none where absent. */
  readonly groups?: readonly number[];
  /** Takes stdout and stderr; appended to, made with mode 0600; no link is followed. */
  readonly logFile: string;
  readonly cwd: string;
  /** Largest file it may write, in bytes: bounds the log of a program that writes nothing else. */
  readonly maxFileBytes?: number;
  /** A file it finds open for reading as descriptor 3. */
  readonly inputFile?: string;
  /** An existing cgroup (v2) it starts in. */
  readonly cgroup?: string;
}

export interface Daemon extends ProcessId {
  /** Settles when it ended, as long as we live; never rejects. */
  readonly exited: Promise<string>;
}

/** Starts a process in a session of its own. Rejects where the program can't be executed. */
export async function spawnDaemon(spec: DaemonSpec): Promise<Daemon> {
  const [file, ...args] = spec.argv;
  if (file === undefined) {
    throw new RangeError("argv is empty");
  }
  // The programs that shed privileges execute it: what they can't find would only be seen in the log.
  const program = await executablePath(file);
  const argv = planDaemonArgv([program, ...args], spec);
  await using stack = new AsyncDisposableStack();
  const log = stack.use(await openLog(spec.logFile));
  const input = spec.inputFile === undefined ? undefined : stack.use(await open(spec.inputFile, "r"));
  const child = spawn(argv[0] as string, argv.slice(1), {
    cwd: spec.cwd,
    detached: true,
    env: COMMAND_ENVIRONMENT,
    stdio: ["ignore", log.fd, log.fd, ...(input === undefined ? [] : [input.fd])],
  });
  const exited = new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("exit", (code, signal) => resolve(code === null ? `ended by ${signal}` : `exited with ${code}`));
  });
  child.unref();
  // Read before the event loop turns: until then a process that already ended is not reaped, so its pid is still its own.
  const process = child.pid === undefined ? undefined : readChild(child.pid);
  if (process === undefined) {
    throw new CommandError(spec.argv, await exited, "");
  }
  if (spec.cgroup !== undefined) {
    try {
      await using procs = await open(join(spec.cgroup, "cgroup.procs"), "w");
      await procs.write(String(process.pid));
    } catch (error) {
      // Nobody else knows of it; it may not have become its user's yet.
      killProcess(process, "SIGKILL");
      await exited;
      throw error;
    }
  }
  return { pid: process.pid, startTime: process.startTime, exited };
}

/** The whole command line of a daemon. Each step executes the next, so that one pid stays. */
export function planDaemonArgv(
  argv: readonly string[],
  spec: Pick<DaemonSpec, "owner" | "groups" | "maxFileBytes">,
): readonly string[] {
  // No core files: they would hold the guest's memory.
  const limits = ["prlimit", "--core=0"];
  if (spec.maxFileBytes !== undefined) {
    limits.push(`--fsize=${spec.maxFileBytes}`);
  }
  if (spec.owner === undefined) {
    return [...limits, "--", ...argv];
  }
  const { uid, gid } = spec.owner;
  const groups = spec.groups?.length ? `--groups=${spec.groups.join(",")}` : "--clear-groups";
  const identity = [`--reuid=${uid}`, `--regid=${gid}`, groups];
  const privileges = ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs"];
  return [...limits, "--", "setpriv", ...identity, ...privileges, "--", ...argv];
}

/** Absolute path of a program; rejects where it is none. */
export async function executablePath(file: string): Promise<string> {
  const candidates = isAbsolute(file) ? [file] : COMMAND_PATH.split(delimiter).map((folder) => join(folder, file));
  let cause: unknown;
  for (const candidate of candidates) {
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch (error) {
      cause = error;
    }
  }
  throw new CommandError([file], "is not an executable program", "", undefined, { cause });
}
