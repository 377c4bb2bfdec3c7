/** Lines of a sandbox's logs. Where a connection breaks, the next one goes on after the last line of each log. */
import {
  type LogPosition,
  type LogEntry as WireEntry,
  LogSource as WireSource,
} from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
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
  const positions = new LogPositions();
  let tailTold = tail === undefined;
  return resuming(
    plane,
    { signal: plane.signal(options.signal), heartbeats: true },
    async function* (way, call, progress) {
      const request = { sources: wireSources, follow, after: positions.all, ...(tailTold ? {} : { tail }) };
      for await (const { event } of way.monitoring.readLogs(request, call)) {
        progress();
        if (event.case === "backlogEnd") {
          for (const position of event.value.positions) positions.leaveOut(position);
          tailTold = true; // the lines that come later may be more
        } else if (event.case === "entry") {
          positions.note(event.value.position);
          yield entryOf(event.value);
        }
      }
      if (follow) throw new UnavailableError("The stream of logs ended too early.", { code: "unavailable" });
    },
  );
}

/** More than a sandbox keeps logs of processes that ended. */
const maxPositions = 10_000;

/** How far each log was read, the latest last. */
class LogPositions {
  readonly #byLog = new Map<string, LogPosition>();

  get all(): LogPosition[] {
    return [...this.#byLog.values()];
  }

  note(position: LogPosition | undefined): void {
    if (!position) return;
    this.#byLog.delete(position.log);
    this.#byLog.set(position.log, position);
    const [oldest] = this.#byLog.keys();
    if (this.#byLog.size > maxPositions && oldest !== undefined) this.#byLog.delete(oldest);
  }

  /** Where nothing later of its log was given. */
  leaveOut(position: LogPosition): void {
    if (!this.#byLog.has(position.log)) this.note(position);
  }
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
