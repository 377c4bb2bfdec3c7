/** Joins our terminal with one in a sandbox: keys go there, what it shows comes here. */
import type { Pty } from "daytonah";
import { write } from "../output.ts";
import { splitAtKey } from "./detach-key.ts";
import { enterRawMode, onWindowResize, windowSize } from "./raw-mode.ts";

/** How it ended: the program's exit code, or that we left and it runs on. */
export type TerminalEnd = { readonly t: "exited"; readonly exitCode: number } | { readonly t: "detached" };

export async function joinTerminal(pty: Pty, detachKey: number | undefined): Promise<TerminalEnd> {
  let left = false;
  const leave = () => {
    left = true;
    pty.detach();
  };
  const onKeys = (keys: Buffer) => {
    const { typed, left: leaving } = splitAtKey(keys, detachKey);
    // One that can't be written to any more has ended, which its output tells.
    if (typed.length > 0) pty.write(typed).catch(() => undefined);
    if (leaving) leave();
  };
  // Of a pipe: what it held was typed, and nothing more will be. End-of-file is a key on a terminal.
  const onEnd = () => void pty.write("\x04").catch(() => undefined);
  using _raw = enterRawMode(process.stdin);
  using _resizes = onWindowResize(process.stdout, () => {
    const size = windowSize(process.stdout);
    if (size) pty.resize(size).catch(() => undefined);
  });
  process.stdin.on("data", onKeys).once("end", onEnd);
  try {
    for await (const shown of pty) await write(process.stdout, shown);
    return left ? { t: "detached" } : { t: "exited", exitCode: (await pty.exited).exitCode };
  } finally {
    process.stdin.off("data", onKeys).off("end", onEnd);
    process.stdin.destroy(); // or it would keep us alive
  }
}
