import type { Process as WireProcess } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { dateOf } from "../convert.ts";
import type { ProcessExit, PtySize } from "./exec-types.ts";
import { processExitOf } from "./process-exit.ts";

/** A process that was started by exec, start or pty. */
export interface ProcessInfo {
  /** Its name, for `sandbox.attach(id)`. */
  readonly id: string;
  /** pid in the sandbox. */
  readonly pid: number;
  /** Program and arguments. */
  readonly args: readonly string[];
  /** Working directory it was started in. */
  readonly cwd: string;
  /** The sandbox's user it runs as. */
  readonly user: string;
  /** The label it was started with; may be empty. */
  readonly tag: string;
  /** What was added to the sandbox's environment for it. */
  readonly env: Readonly<Record<string, string>>;
  /** Size of its terminal; undefined where it has none. */
  readonly pty: PtySize | undefined;
  /** When it was started. */
  readonly startTime: Date;
  /** Set once it ended. */
  readonly exited: ProcessExit | undefined;
  /** Offset after its last byte of output so far. */
  readonly endOffset: number;
}

export function processInfoOf(process: WireProcess): ProcessInfo {
  const { processId, pid, args, cwd, user, tag, env, pty, startTime, exited, endOffset } = process;
  return {
    id: processId,
    pid,
    args,
    cwd,
    user,
    tag,
    env,
    pty: pty && { columns: pty.columns, rows: pty.rows },
    startTime: dateOf(startTime),
    exited: exited && processExitOf(exited),
    endOffset: Number(endOffset),
  };
}
