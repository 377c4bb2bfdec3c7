/** One process's events, over as many streams as it takes: a broken one is continued by offset behind the caller's back. */
import type {
  AttachProcessResponse,
  ExecResponse,
  ProcessExited,
  ProcessOutput,
  ProcessStarted,
} from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { convertError } from "../convert-error.ts";
import { LimitError, UnavailableError } from "../errors.ts";
import { type RetryPolicy, waitToRetry } from "../retry.ts";

type WireEvents = AsyncIterable<ExecResponse | AttachProcessResponse>;

/** Opens streams of one process. A stream ends when its signal is aborted. */
export interface OutputSource {
  /** Starts the process, or attaches where it was started already. */
  start(signal: AbortSignal): WireEvents;
  attach(fromOffset: number, signal: AbortSignal): WireEvents;
}

export type ProcessEvent =
  | { readonly t: "output"; readonly output: ProcessOutput; readonly offset: number; readonly lostBytes: number }
  | { readonly t: "exited"; readonly exited: ProcessExited };

export interface ResumeOptions {
  readonly policy: RetryPolicy;
  /** Where to go on; undefined starts the process. */
  readonly fromOffset: number | undefined;
  readonly onStarted: (started: ProcessStarted) => void;
  readonly signal: AbortSignal;
}

export async function* resumeOutput(source: OutputSource, options: ResumeOptions): AsyncGenerator<ProcessEvent> {
  const { policy, onStarted, signal } = options;
  let offset = options.fromOffset;
  let lostBytes = 0;
  for (let failures = 0; ; ) {
    // Each stream has a signal of its own: leaving the loop early must end the call, and Connect's iterators can't be returned.
    const stream = new AbortController();
    const either = AbortSignal.any([signal, stream.signal]);
    const wanted = offset;
    try {
      signal.throwIfAborted();
      const events = wanted === undefined ? source.start(either) : source.attach(wanted, either);
      for await (const { event } of events) {
        // Not "started": a way that only ever gets this far is no better than a closed one.
        if (event.case !== "started") failures = 0;
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
          yield { t: "output", output, offset: at, lostBytes };
          lostBytes = 0;
        } else if (event.case === "exited") {
          yield { t: "exited", exited: event.value };
          return;
        }
      }
      throw new UnavailableError("The stream of output ended too early.", { code: "unavailable" });
    } catch (error) {
      failures += 1;
      await waitToRetry(policy, failures, unlessOutputLost(convertError(error, signal)), signal);
    } finally {
      stream.abort();
    }
  }
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
  return new UnavailableError(error.message, { code: "unavailable", metadata: error.metadata, cause: error });
}
