/** Runs `dnah` on a real terminal, as a person sits at it. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const driver = fileURLToPath(new URL("in_terminal.py", import.meta.url));
const launcher = fileURLToPath(new URL("../../bin/dnah", import.meta.url));

export interface TerminalSession {
  type(text: string): void;
  resize(columns: number, rows: number): void;
  /** Prints `<raw>` or `<cooked>` where the output goes. */
  askMode(): void;
  /** Resolves once the terminal has shown the text since the last call. */
  shown(text: string): Promise<void>;
  readonly ended: Promise<{ readonly exitCode: number | null; readonly all: string }>;
}

export function inTerminal(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  size: readonly [columns: number, rows: number] = [80, 24],
): TerminalSession {
  const child = spawn("python3", [driver, ...size.map(String), launcher, ...args], {
    env: { ...process.env, TERM: "xterm-256color", ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let all = "";
  let seen = 0;
  let wake = () => {};
  child.stdout.on("data", (chunk: Buffer) => {
    all += chunk.toString();
    wake();
  });
  child.stdin.on("error", () => undefined);
  const closed = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const order = (document: object) => void child.stdin.write(`${JSON.stringify(document)}\n`);
  return {
    type: (text) => order({ type: text }),
    resize: (columns, rows) => order({ resize: [columns, rows] }),
    askMode: () => order({ raw: null }),
    async shown(text) {
      const ended = closed.then(() => Promise.reject(new Error(`it ended without ${JSON.stringify(text)}: ${all}`)));
      ended.catch(() => undefined);
      for (;;) {
        const at = all.indexOf(text, seen);
        if (at >= 0) {
          seen = at + text.length;
          return;
        }
        const more = new Promise<void>((resolve) => {
          wake = resolve;
        });
        await Promise.race([more, ended]);
      }
    },
    ended: closed.then((exitCode) => ({ exitCode, all })),
  };
}
