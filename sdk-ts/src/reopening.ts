/** One stream of values over as many calls as it takes: where a call breaks, the next goes on behind the caller's back. */
import { convertError } from "./convert-error.ts";
import { type RetryPolicy, waitToRetry } from "./retry.ts";

/** The longest interval of heartbeats is 15 s. */
const longestSilenceMs = 60_000;

export interface ReopeningOptions {
  readonly signal: AbortSignal;
  /**
   * The calls have heartbeats: one that is silent for a minute is broken off. Not every connection notices that the other
   * side is gone; pages have no other means.
   */
  readonly heartbeats?: boolean | undefined;
  /** False from when on a broken call can't be continued; then its error is thrown. Always where absent. */
  readonly mayResume?: (() => boolean) | undefined;
  /** The error to judge a retry by; the one that was thrown where absent. */
  readonly errorOf?: ((error: unknown) => unknown) | undefined;
}

export interface ReopeningPolicy extends ReopeningOptions {
  readonly retry: RetryPolicy;
  /** True where the next call may be made at once, in another way. */
  readonly hasOtherWay?: (failure: unknown) => Promise<boolean>;
}

/** `attempt` makes one call, from where the last one stopped. It returns when all is told and throws when the call broke. */
export async function* reopening<T>(
  policy: ReopeningPolicy,
  attempt: (signal: AbortSignal, progress: () => void) => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  const { signal, retry, heartbeats = false, mayResume = () => true, errorOf = (error) => error } = policy;
  let failures = 0;
  let waitingSince = 0;
  const progress = () => {
    failures = 0;
    waitingSince = performance.now();
  };
  for (;;) {
    // Each call has a signal of its own: leaving the loop early must end it, and Connect's iterators can't be returned.
    const stream = new AbortController();
    const breakOff = () => performance.now() - waitingSince > longestSilenceMs && stream.abort();
    const watchdog = heartbeats ? setInterval(breakOff, longestSilenceMs / 4) : undefined;
    try {
      signal.throwIfAborted();
      waitingSince = performance.now();
      for await (const value of attempt(AbortSignal.any([signal, stream.signal]), progress)) {
        waitingSince = Number.POSITIVE_INFINITY; // for the reader, who may take his time
        yield value;
        waitingSince = performance.now();
      }
      return;
    } catch (error) {
      const failure = errorOf(convertError(error, signal));
      if (!mayResume()) throw failure;
      if (await policy.hasOtherWay?.(failure)) continue;
      failures += 1;
      await waitToRetry(retry, failures, failure, signal);
    } finally {
      clearInterval(watchdog);
      stream.abort();
    }
  }
}
