/** Makes the handle of a process: of one to start, or of one that was started before. */
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { defined } from "../convert.ts";
import type { DataPlane } from "../data-plane.ts";
import { DaytonahError } from "../errors.ts";
import { randomId } from "../random-id.ts";
import type { AttachOptions, ByteSource, ExecOptions } from "./exec-types.ts";
import { Process } from "./process.ts";
import { ProcessInput, type SendInput } from "./process-input.ts";

const defaultMaxOutputBytes = 16 * 1024 * 1024;
const sigkill = 9;

/** A line for the shell, or a program and its arguments. */
export type Command = string | readonly string[];

export function startProcess(plane: DataPlane, command: Command, options: ExecOptions): Process {
  const { processId = randomId(), signal, stdin, timeoutMs } = options;
  signal?.throwIfAborted();
  const request = defined({
    command: commandOf(command, options.login ?? false),
    processId,
    env: { ...options.env },
    cwd: options.cwd,
    user: options.user,
    tag: options.tag,
    stdin: stdin !== undefined,
    timeout: timeoutMs === undefined ? undefined : durationFromMs(timeoutMs),
  });
  const calls = callsOf(plane, processId);
  const onAbort = () => void kill(calls.sendSignal);
  signal?.addEventListener("abort", onAbort, { once: true });
  // Ends the reading when the standard input could not be fed: the program would wait for the rest for ever.
  const broken = new AbortController();
  const process = new Process({
    ...calls,
    ...outputOptions(plane, options),
    fromOffset: undefined,
    source: {
      start: (stream) => plane.connection.processes.exec(request, plane.streamCall(stream)),
      attach: calls.attach,
    },
    createInput: (started) => new ProcessInput(calls.sendInput(started), async () => !(await started).existed),
    signal: AbortSignal.any([plane.signal(signal), broken.signal]),
    onEnded: () => signal?.removeEventListener("abort", onAbort),
  });
  if (stdin !== undefined && stdin !== true) void feed(process, stdin, broken);
  return process;
}

export function attachProcess(plane: DataPlane, processId: string, options: AttachOptions): Process {
  const { fromEnd = false, fromOffset = 0 } = options;
  const calls = callsOf(plane, processId);
  return new Process({
    ...calls,
    ...outputOptions(plane, options),
    fromOffset: fromEnd ? undefined : fromOffset,
    source: { start: calls.attachAtEnd, attach: calls.attach },
    createInput: (started) => new ProcessInput(calls.sendInput(started), async () => false),
    signal: plane.signal(options.signal),
    onEnded: () => undefined,
  });
}

function outputOptions(plane: DataPlane, options: AttachOptions) {
  return {
    policy: plane.connection.options.retry,
    maxOutputBytes: options.maxOutputBytes ?? defaultMaxOutputBytes,
    check: options.check ?? false,
  };
}

/** The calls about one process. */
function callsOf(plane: DataPlane, id: string) {
  const { processes } = plane.connection;
  const process = { selector: { case: "processId" as const, value: id } };
  const sendInput = (started: Promise<unknown>): SendInput => {
    return async (offset, data, close) => {
      await started; // or the process might not be there yet
      const piece = { process, offset: BigInt(offset), data, close };
      const sent = await plane.unary((call) => processes.sendInput(piece, call), { repeatable: true });
      return Number(sent.nextOffset);
    };
  };
  return {
    id,
    sendInput,
    attach: (offset: number, stream: AbortSignal) =>
      processes.attachProcess({ process, fromOffset: BigInt(offset) }, plane.streamCall(stream)),
    attachAtEnd: (stream: AbortSignal) => processes.attachProcess({ process, fromEnd: true }, plane.streamCall(stream)),
    sendSignal: async (signal: number) => {
      await plane.unary((call) => processes.signalProcess({ process, signal }, call), { repeatable: false });
    },
  };
}

function commandOf(command: Command, login: boolean) {
  return typeof command === "string"
    ? { case: "shell" as const, value: { line: command, login } }
    : { case: "argv" as const, value: { args: [...command] } };
}

/** Whoever starts a program with a signal ends it with the signal. Best effort: the caller is not to wait for it. */
async function kill(sendSignal: (signal: number) => Promise<void>): Promise<void> {
  // The start may still be on its way.
  for (let tries = 0; tries < 3; tries++) {
    try {
      return await sendSignal(sigkill);
    } catch (error) {
      if (!(error instanceof DaytonahError) || error.reason !== "PROCESS_NOT_FOUND") return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** A program that reads less than it is given is none of our business; any other failure ends the reading. */
async function feed(process: Process, source: ByteSource, broken: AbortController): Promise<void> {
  try {
    await process.stdin.feed(source);
  } catch (error) {
    const enough = error instanceof DaytonahError && ["INPUT_CLOSED", "PROCESS_NOT_FOUND"].includes(error.reason ?? "");
    if (!enough) broken.abort(error);
  }
}
