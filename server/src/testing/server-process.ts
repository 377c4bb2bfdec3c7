/** The server as a process of its own, to be killed as processes are. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface ServerProcess extends AsyncDisposable {
  readonly url: string;
  readonly kill: (signal: NodeJS.Signals) => Promise<number | null>;
}

/** Resolves when it is ready; disposal kills it. */
export async function startServerProcess(env: Record<string, string>): Promise<ServerProcess> {
  const child: ChildProcess = spawn(process.execPath, [fileURLToPath(new URL("../main.ts", import.meta.url))], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...env, DNAH_LISTEN: "127.0.0.1:0", DNAH_LOG_LEVEL: "error" },
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const kill = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return ended;
  };
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  for await (const line of lines) {
    if (line.startsWith("ready ")) {
      return {
        url: line.slice("ready ".length),
        kill,
        [Symbol.asyncDispose]: async () => {
          await kill("SIGKILL");
        },
      };
    }
  }
  throw new Error(`it ended with ${await ended} before it was ready`);
}
