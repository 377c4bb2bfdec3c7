/** One process's events, over as many streams as it takes: a broken one is continued by offset behind the caller's back. */
import type { CallOptions } from "@connectrpc/connect";
import type {
  AttachProcessResponse,
  ExecResponse,
  ProcessExited,
  ProcessOutput,
  ProcessStarted,
} from "@daytonah/gen/daytonah/v1/process_pb.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import type { DataWay } from "../data-plane/data-way.ts";
import { resuming } from "../data-plane/resuming.ts";
import { LimitError, UnavailableError } from "../errors.ts";

type WireEvents = AsyncIterable<ExecResponse | AttachProcessResponse>;

/** Opens streams of one process. */
export interface OutputSource {
  /** Starts the process, or attaches where it was started already. */
  start(way: DataWay, call: CallOptions): WireEvents;
  attach(way: DataWay, call: CallOptions, fromOffset: number): WireEvents;
}

export type ProcessEvent =
  | { readonly t: "output"; readonly output: ProcessOutput; readonly offset: number; readonly lostBytes: number }
  | { readonly t: "exited"; readonly exited: ProcessExited };

export interface ResumeOptions {
  readonly source: OutputSource;
  /** Where to go on; undefined starts the process. */
  readonly fromOffset: number | undefined;
  readonly onStarted: (started: ProcessStarted) => void;
  readonly signal: AbortSignal;
}

export function resumeOutput(plane: DataPlane, options: ResumeOptions): AsyncGenerator<ProcessEvent, void, undefined> {
  const { source, onStarted, signal } = options;
  let offset = options.fromOffset;
  let lostBytes = 0;
  return resuming(
    plane,
    { signal, heartbeats: true, errorOf: unlessOutputLost },
    async function* (way, call, progress) {
      const events = offset === undefined ? source.start(way, call) : source.attach(way, call, offset);
      for await (const { event } of events) {
        // Not "started": a way that only ever gets this far is no better than a closed one.
        if (event.case !== "started") progress();
        if (event.case === "started") {
          const first = Number(event.value.firstOffset);
          lostBytes += Math.max(0, first - (offset ?? first));
          offset = Math.max(offset ?? first, first);
          onStarted(event.value);
        } else if (event.case === "output") {
          const output = notBefore(offset ?? 0, event.value);
          if (!output) continue;
          const at = Number(output.offset);
          lostBytes += Math.max(0, at - (offset ?? at));
          offset = at + output.data.length;
          yield { t: "output" as const, output, offset: at, lostBytes };
          lostBytes = 0;
        } else if (event.case === "exited") {
          yield { t: "exited" as const, exited: event.value };
          return;
        }
      }
      throw new UnavailableError("The stream of output ended too early.", { code: "unavailable" });
    },
  );
}

/** The part of the output from `offset` on; undefined where there is none: a repeated stream may overlap. */
function notBefore(offset: number, output: ProcessOutput): ProcessOutput | undefined {
  const seen = offset - Number(output.offset);
  if (seen <= 0) return output;
  if (seen >= output.data.length) return undefined;
  return { ...output, offset: BigInt(offset), data: output.data.subarray(seen) };
}

/** OUTPUT_LOST means that we read too slowly; what is still there can be had by attaching, as after a broken connection. */
function unlessOutputLost(error: unknown): unknown {
  if (!(error instanceof LimitError) || error.reason !== "OUTPUT_LOST") return error;
  return new UnavailableError(error.message, {
    code: "unavailable",
    reason: "OUTPUT_LOST",
    metadata: error.metadata,
    cause: error,
  });
}
