/** Runs a program of the tool chain; what it prints is shown only when it fails, or line by line to a listener. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface CommandOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Gets every line of both outputs as it comes. */
  readonly onLine?: (line: string) => void;
}

export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  /** Its last 400 lines. */
  readonly output: string;

  constructor(argv: readonly string[], ending: string, output: string) {
    super(`\`${argv.join(" ")}\` ${ending}`);
    this.output = output.split("\n").slice(-400).join("\n");
  }
}

/** Resolves with both outputs, joined. */
export async function run(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const [program, ...args] = argv;
  if (program === undefined) throw new Error("an empty command");
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, LC_ALL: "C.UTF-8", ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      options.onLine?.(line);
    });
  }
  const ending = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(`could not start: ${error.message}`));
    child.once("close", (code, signal) => resolve(code === 0 ? undefined : `ended with ${signal ?? `code ${code}`}`));
  });
  if (ending !== undefined) throw new CommandFailure(argv, ending, lines.join("\n"));
  return lines.join("\n");
}
