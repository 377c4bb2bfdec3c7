/** Runs a command in a sandbox as if it ran here: its output, input, signals and exit code are ours. */
import type { ExecResult, Process, Sandbox } from "daytonah";
import { exitCodes } from "./exit-codes.ts";
import type { ProcessFlags } from "./flags.ts";
import { handleInterrupts, type InterruptCause } from "./interrupts.ts";
import { note, printJson, write } from "./output.ts";

/** Resolves with the exit code for dnah itself. */
export async function runProcess(
  sandbox: Sandbox,
  argv: readonly string[],
  flags: ProcessFlags,
  json: boolean,
): Promise<number> {
  const running = sandbox.exec(argv, {
    ...(flags.interactive ? { stdin: process.stdin } : {}),
    env: flags.env,
    cwd: flags.workdir,
    user: flags.user,
    timeoutMs: flags.timeout === undefined ? undefined : flags.timeout * 1000,
    maxOutputBytes: 0,
  });
  let broken = false;
  using _interrupts = handleInterrupts((cause) => {
    broken ||= cause === "EPIPE";
    passOn(running, cause);
  });
  try {
    for await (const { stream, text, data, offset } of running) {
      if (broken) continue;
      if (json) await printJson({ event: "output", stream, offset, text });
      else await write(stream === "stderr" ? process.stderr : process.stdout, data);
    }
    const result = await running;
    await report(result, json);
    return broken ? exitCodes.brokenPipe : result.exitCode;
  } finally {
    if (flags.interactive) process.stdin.destroy(); // or it would keep us alive
  }
}

let interrupts = 0;

/** The first interrupt is the command's to handle, the second ends it. */
function passOn(running: Process, cause: InterruptCause): void {
  interrupts += 1;
  const signal = interrupts > 1 ? "SIGKILL" : cause === "EPIPE" ? "SIGPIPE" : cause;
  running.kill(signal).catch(() => undefined); // it ended by itself
}

async function report(result: ExecResult, json: boolean): Promise<void> {
  const { exitCode, signal, timedOut, outOfMemory, lostBytes, runTimeMs } = result;
  if (json) return printJson({ event: "exit", exitCode, signal, timedOut, outOfMemory, lostBytes, runTimeMs });
  if (timedOut) await note("dnah: the command was ended after its timeout.");
  if (outOfMemory)
    await note("dnah: the command was ended: the sandbox was out of memory.\nnext: Give it more with --memory.");
  if (lostBytes > 0) await note(`dnah: ${lostBytes} bytes of output were lost while the connection was away.`);
}
