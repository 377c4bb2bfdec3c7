/** One stream of values over as many calls as it takes: where a call breaks, the next goes on behind the caller's back. */
import { convertError } from "../convert-error.ts";
import { waitToRetry } from "../retry.ts";
import type { DataPlane } from "./data-plane.ts";
import type { DataWay } from "./data-way.ts";

/** The sandbox sends a heartbeat every 15 s where it has nothing to say. */
const longestSilenceMs = 60_000;

export interface ResumingOptions {
  readonly signal: AbortSignal;
  /**
   * The calls have heartbeats: one that is silent for a minute is broken off. Not every connection notices that the other
   * side is gone; pages have no other means.
   */
  readonly heartbeats?: boolean;
  /** False from when on a broken call can't be continued; then its error is thrown. Always where absent. */
  readonly mayResume?: () => boolean;
  /** The error to judge a retry by; the one that was thrown where absent. */
  readonly errorOf?: (error: unknown) => unknown;
}

/** Options of a call without a deadline: it ends with its signal. */
export interface StreamCall {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** One call. `progress` says that its way is a good one. */
export type StreamAttempt<T> = (way: DataWay, call: StreamCall, progress: () => void) => AsyncIterable<T>;

/** `attempt` makes one call, from where the last one stopped. It returns when all is told and throws when the call broke. */
export async function* resuming<T>(
  plane: DataPlane,
  options: ResumingOptions,
  attempt: StreamAttempt<T>,
): AsyncGenerator<T, void, undefined> {
  const { signal, heartbeats = false, mayResume = () => true, errorOf = (error) => error } = options;
  let failures = 0;
  let waitingSince = 0;
  const progress = () => {
    failures = 0;
    waitingSince = performance.now();
  };
  for (;;) {
    // Each call has a signal of its own: leaving the loop early must end it, and Connect's iterators can't be returned.
    const stream = new AbortController();
    let way: DataWay | undefined;
    const token = plane.accessToken;
    const breakOff = () => performance.now() - waitingSince > longestSilenceMs && stream.abort();
    const watchdog = heartbeats ? setInterval(breakOff, longestSilenceMs / 4) : undefined;
    try {
      signal.throwIfAborted();
      way = await plane.way();
      const call = { headers: plane.headers, signal: AbortSignal.any([signal, stream.signal]) };
      waitingSince = performance.now();
      for await (const value of attempt(way, call, progress)) {
        waitingSince = Number.POSITIVE_INFINITY; // for the reader, who may take his time
        yield value;
        waitingSince = performance.now();
      }
      return;
    } catch (error) {
      const failure = errorOf(convertError(error, signal));
      if (!mayResume()) throw failure;
      if (way && (await plane.makesAnew(way, failure, token, true))) continue;
      failures += 1;
      await waitToRetry(plane.connection.options.retry, failures, failure, signal);
    } finally {
      clearInterval(watchdog);
      stream.abort();
    }
  }
}
