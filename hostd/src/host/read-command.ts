/** A command whose output is a stream: as long as it likes, and read as fast as somebody takes it. */
import { spawn } from "node:child_process";
import { COMMAND_ENVIRONMENT, CommandError } from "./exec.ts";

const keptStderrBytes = 4_096;

export interface CommandReading {
  /** Throws CommandError after the last piece where the command did not exit with 0. To be read once. */
  readonly output: AsyncIterable<Uint8Array>;
  /** Resolves when the process is gone; never rejects. */
  readonly ended: Promise<void>;
}

export function readCommand(argv: readonly string[], { signal }: { readonly signal: AbortSignal }): CommandReading {
  const [file, ...args] = argv;
  if (file === undefined) throw new RangeError("argv is empty");
  signal.throwIfAborted();
  const child = spawn(file, args, { env: COMMAND_ENVIRONMENT, stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(0, keptStderrBytes);
  });
  const kill = () => child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  // "exit": an output that nobody reads on would hold back "close".
  const exited = new Promise<Error | undefined>((resolve) => {
    child.once("error", (cause) => resolve(new CommandError(argv, cause.message, "", undefined, { cause })));
    child.once("exit", (code, name) => {
      const what = code === null ? `ended by ${name}` : `exited with ${code}`;
      resolve(code === 0 ? undefined : new CommandError(argv, what, stderr, code ?? undefined));
    });
  }).finally(() => signal.removeEventListener("abort", kill));
  return {
    output: (async function* () {
      try {
        for await (const piece of child.stdout) yield piece as Uint8Array;
        const failure = await exited;
        signal.throwIfAborted();
        if (failure) throw failure;
      } finally {
        kill(); // where nobody reads on
      }
    })(),
    ended: exited.then(() => undefined),
  };
}
