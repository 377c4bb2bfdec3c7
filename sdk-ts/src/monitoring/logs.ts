/** Lines of a sandbox's logs. Where a connection breaks, the next one skips what was given already. */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type LogEntry as WireEntry, LogSource as WireSource } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { dateOf, lowerNameOf } from "../convert.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import { resuming } from "../data-plane/resuming.ts";
import { UnavailableError } from "../errors.ts";

/**
 * "console": the kernel, and what writes to /dev/console. "agent": starts and ends of processes, and the agent's own troubles.
 * "process": output of processes, line by line.
 */
export type LogSource = "console" | "agent" | "process";

/** Options of `sandbox.logs`. */
export interface LogsOptions {
  /** From where; everywhere where absent. */
  readonly sources?: readonly LogSource[] | undefined;
  /** Stays and gives what comes. */
  readonly follow?: boolean | undefined;
  /** Of each source only so many of the last lines; all that are kept where absent. */
  readonly tail?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A line of a log. */
export interface LogEntry {
  /** When it was written, or read where that is not known. */
  readonly time: Date;
  /** "unknown" is newer than this package. */
  readonly source: LogSource | "unknown";
  /** "error", "warn", "info" or "debug" for the agent; "stdout", "stderr" or "pty" for a process; empty for the console. */
  readonly label: string;
  /** The line without its end, 4 KiB at most; what is no UTF-8 became U+FFFD. */
  readonly text: string;
  /** The process it is of or about; undefined where there is none. */
  readonly processId: string | undefined;
}

export function readLogs(plane: DataPlane, options: LogsOptions): AsyncGenerator<LogEntry, void, undefined> {
  const { sources = [], follow = false, tail } = options;
  const wireSources = sources.map((source) => WireSource[source.toUpperCase() as keyof typeof WireSource]);
  const given = new Map<WireSource, LastGiven>();
  return resuming(
    plane,
    { signal: plane.signal(options.signal), heartbeats: true },
    async function* (way, call, progress) {
      const isRepeat = given.size > 0;
      // The lines that came meanwhile may be more than `tail`.
      const request = { sources: wireSources, follow, ...(tail === undefined || isRepeat ? {} : { tail }) };
      const skip = new Map([...given].map(([source, last]) => [source, { ...last }]));
      for await (const { event } of way.monitoring.readLogs(request, call)) {
        progress();
        if (event.case !== "entry" || wasGiven(skip.get(event.value.source), event.value)) continue;
        remember(given, event.value);
        yield entryOf(event.value);
      }
      if (follow) throw new UnavailableError("The stream of logs ended too early.", { code: "unavailable" });
    },
  );
}

/** The last line of a source that was given: its time, and how many lines of that time were. */
interface LastGiven {
  readonly time: bigint;
  count: number;
}

function remember(given: Map<WireSource, LastGiven>, { source, time }: WireEntry): void {
  const at = nanosecondsOf(time);
  const last = given.get(source);
  if (last?.time === at) last.count += 1;
  else given.set(source, { time: at, count: 1 });
}

/** Counts `skip` down on the way. */
function wasGiven(skip: LastGiven | undefined, { time }: WireEntry): boolean {
  const at = nanosecondsOf(time);
  if (!skip || at > skip.time) return false;
  if (at < skip.time) return true;
  skip.count -= 1;
  return skip.count >= 0;
}

function nanosecondsOf(time: Timestamp | undefined): bigint {
  return time ? time.seconds * 1_000_000_000n + BigInt(time.nanos) : 0n;
}

function entryOf({ time, source, label, text, processId }: WireEntry): LogEntry {
  return {
    time: dateOf(time),
    source: lowerNameOf(WireSource, source),
    label,
    text,
    processId: processId || undefined,
  };
}
