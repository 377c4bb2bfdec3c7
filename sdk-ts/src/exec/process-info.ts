import { ExitKind, type Process as WireProcess } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { dateOf } from "../convert.ts";
import { signalNameOf } from "./signal-names.ts";

/** A process that was started by exec. */
export interface ProcessInfo {
  /** Its name, for `sandbox.attach(id)`. */
  readonly id: string;
  /** pid in the sandbox. */
  readonly pid: number;
  /** Program and arguments. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly user: string;
  /** The label it was started with; may be empty. */
  readonly tag: string;
  readonly startTime: Date;
  /** Set once it ended. */
  readonly exited:
    | { readonly exitCode: number; readonly signal: string | undefined; readonly timedOut: boolean }
    | undefined;
  /** Offset after its last byte of output so far. */
  readonly endOffset: number;
}

export function processInfoOf(process: WireProcess): ProcessInfo {
  const { processId, pid, args, cwd, user, tag, startTime, exited, endOffset } = process;
  return {
    id: processId,
    pid,
    args,
    cwd,
    user,
    tag,
    startTime: dateOf(startTime),
    exited: exited && {
      exitCode: exited.exitCode,
      signal: signalNameOf(exited.signal),
      timedOut: exited.kind === ExitKind.TIMED_OUT,
    },
    endOffset: Number(endOffset),
  };
}
