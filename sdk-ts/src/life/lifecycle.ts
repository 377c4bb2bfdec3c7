/** When a sandbox ends or pauses by itself. */
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { EndAction, type Lifecycle as WireLifecycle } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { defined } from "../convert.ts";

/** When a sandbox ends or pauses by itself. Its host keeps these times, also while the control plane is away. */
export interface Lifecycle {
  /** From create, resume or the last `setTimeout` until its end, milliseconds, 1 s to 366 days; it has no end where absent. */
  readonly timeoutMs?: number | undefined;
  /** What happens then; "pause" where absent. */
  readonly onTimeout?: "pause" | "delete" | undefined;
  /**
   * Pauses it after no call and no connection to it was open for this long, milliseconds, 1 s to 366 days; never where absent.
   * Programs that run in it without anyone connected don't count.
   */
  readonly idleTimeoutMs?: number | undefined;
  /** A call or connection to the paused sandbox resumes it first; false where absent. */
  readonly autoResume?: boolean | undefined;
}

export function lifecycleToWire(lifecycle: Lifecycle | undefined) {
  if (!lifecycle) return undefined;
  const { timeoutMs, onTimeout, idleTimeoutMs, autoResume = false } = lifecycle;
  return {
    ...defined({ timeout: durationOf(timeoutMs), idleTimeout: durationOf(idleTimeoutMs) }),
    onTimeout: onTimeout === "delete" ? EndAction.DELETE : EndAction.PAUSE,
    autoResume,
  };
}

export function lifecycleOf(lifecycle: WireLifecycle | undefined): Lifecycle {
  return {
    timeoutMs: lifecycle?.timeout && durationMs(lifecycle.timeout),
    onTimeout: lifecycle?.onTimeout === EndAction.DELETE ? "delete" : "pause",
    idleTimeoutMs: lifecycle?.idleTimeout && durationMs(lifecycle.idleTimeout),
    autoResume: lifecycle?.autoResume ?? false,
  };
}

export function durationOf(ms: number | undefined) {
  return ms === undefined ? undefined : durationFromMs(ms);
}
