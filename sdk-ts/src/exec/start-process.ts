/** Makes the handle of a process: of one to start, or of one that was started before. */
import type { DataPlane } from "../data-plane/data-plane.ts";
import { resuming } from "../data-plane/resuming.ts";
import { DaytonahError, UnavailableError } from "../errors.ts";
import { randomId } from "../random-id.ts";
import { execRequestOf } from "./exec-request.ts";
import type {
  AttachOptions,
  ByteSource,
  Command,
  ExecOptions,
  ProcessRef,
  StartedProcess,
  StartOptions,
} from "./exec-types.ts";
import { killOnAbort } from "./kill-on-abort.ts";
import { Process } from "./process.ts";
import { ProcessCalls } from "./process-calls.ts";
import { ProcessInput } from "./process-input.ts";

const defaultMaxOutputBytes = 16 * 1024 * 1024;
const sigkill = 9;

export function startProcess(plane: DataPlane, command: Command, options: ExecOptions): Process {
  const { processId = randomId(), signal, stdin } = options;
  signal?.throwIfAborted();
  const request = { ...execRequestOf(command, options), processId, stdin: stdin !== undefined };
  const calls = new ProcessCalls(plane, processId);
  const onEnded = killOnAbort(calls, sigkill, signal);
  // Ends the reading when the standard input could not be fed: the program would wait for the rest for ever.
  const broken = new AbortController();
  const process = new Process({
    ...outputOptions(options),
    plane,
    calls,
    fromOffset: undefined,
    start: (way, call) => way.processes.exec(request, call),
    createInput: (started) => new ProcessInput(calls, started, async () => !(await started).existed),
    signal: AbortSignal.any([plane.signal(signal), broken.signal]),
    onEnded,
  });
  if (stdin !== undefined && stdin !== true) void feed(process, stdin, broken);
  return process;
}

export function attachProcess(plane: DataPlane, ref: ProcessRef, options: AttachOptions): Process {
  const { fromEnd = false, fromOffset = 0 } = options;
  const calls = new ProcessCalls(plane, ref);
  return new Process({
    ...outputOptions(options),
    plane,
    calls,
    fromOffset: fromEnd ? undefined : fromOffset,
    start: (way, call) => calls.attachAtEnd(way, call),
    createInput: (started) => new ProcessInput(calls, started, async () => false),
    signal: plane.signal(options.signal),
    onEnded: () => undefined,
  });
}

/** Starts a program and does not stay for its output. A repeat with the same id finds it started. */
export async function startDetached(
  plane: DataPlane,
  command: Command,
  options: StartOptions,
): Promise<StartedProcess> {
  const { processId = randomId(), stdin = false } = options;
  const request = { ...execRequestOf(command, options), processId, stdin, detach: true };
  const events = resuming(plane, { signal: plane.signal(options.signal) }, async function* (way, call) {
    for await (const { event } of way.processes.exec(request, call)) {
      if (event.case === "started") return yield event.value;
    }
    throw new UnavailableError("The stream ended before the program was started.", { code: "unavailable" });
  });
  for await (const { pid, existed } of events) return { id: processId, pid, existed };
  throw new TypeError("The platform's answer lacks the process.");
}

function outputOptions(options: AttachOptions) {
  return {
    maxOutputBytes: options.maxOutputBytes ?? defaultMaxOutputBytes,
    check: options.check ?? false,
  };
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
