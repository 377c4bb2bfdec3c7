import { durationMs } from "@bufbuild/protobuf/wkt";
import { ExitKind, type ProcessExited } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import type { ProcessExit } from "./exec-types.ts";
import { signalNameOf } from "./signal-names.ts";

export function processExitOf({ kind, exitCode, signal, runTime }: ProcessExited): ProcessExit {
  return {
    exitCode,
    signal: signalNameOf(signal),
    timedOut: kind === ExitKind.TIMED_OUT,
    outOfMemory: kind === ExitKind.OUT_OF_MEMORY,
    runTimeMs: runTime ? durationMs(runTime) : 0,
  };
}
