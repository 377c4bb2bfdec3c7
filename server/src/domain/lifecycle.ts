/** When a sandbox ends or pauses by itself. */
import { type Duration, durationFromMs, type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";

export interface Lifecycle {
  /** Null: it never ends. */
  readonly timeoutMs: number | null;
  readonly onTimeout: "pause" | "delete";
  /** Null: it is never idle. */
  readonly idleTimeoutMs: number | null;
  readonly autoResume: boolean;
}

/** What a host must know of it. */
export interface VmLifecycle {
  readonly version: bigint;
  readonly endTime?: Timestamp;
  /** From each time the host wakes it by itself. */
  readonly timeout?: Duration;
  readonly deleteAtEnd: boolean;
  readonly idleTimeout?: Duration;
  readonly autoResume: boolean;
}

export interface LifecycleColumns {
  readonly lifecycle_version: number;
  readonly end_time: Date | null;
  /** bigint comes as text. */
  readonly timeout_ms: string | null;
  readonly on_timeout: Lifecycle["onTimeout"];
  readonly idle_timeout_ms: string | null;
  readonly auto_resume: boolean;
}

export function vmLifecycleOf(row: LifecycleColumns): VmLifecycle {
  return {
    version: BigInt(row.lifecycle_version),
    ...(row.end_time === null ? {} : { endTime: timestampFromDate(row.end_time) }),
    ...(row.timeout_ms === null ? {} : { timeout: durationFromMs(Number(row.timeout_ms)) }),
    deleteAtEnd: row.on_timeout === "delete",
    ...(row.idle_timeout_ms === null ? {} : { idleTimeout: durationFromMs(Number(row.idle_timeout_ms)) }),
    autoResume: row.auto_resume,
  };
}

/** Where nothing else is asked for. */
export const endless: Lifecycle = { timeoutMs: null, onTimeout: "pause", idleTimeoutMs: null, autoResume: false };
