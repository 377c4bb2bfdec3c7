/** Tries again what is safe to repeat and failed for want of an answer, or because too much was under way. */
import { DaytonahError, UnavailableError } from "./errors.ts";

export interface RetryPolicy {
  /** How often a failed call is repeated at most, 0 for never. */
  readonly maxRetries: number;
  /** Wait before the first repeat, milliseconds; doubles each time up to 3 s, with some jitter. */
  readonly baseDelayMs: number;
}

const longestDelayMs = 3_000;
/** The platform may ask for more patience than this; then the caller decides. */
const longestAskedDelayMs = 30_000;

export interface RetryingOptions {
  readonly signal: AbortSignal | undefined;
  /** Only for what changes nothing when it is repeated. */
  readonly repeatable: boolean;
}

export async function retrying<T>(
  policy: RetryPolicy,
  { signal, repeatable }: RetryingOptions,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; ) {
    try {
      return await attempt();
    } catch (error) {
      if (!repeatable && !wasRefused(error)) throw error;
      failures += 1;
      await waitToRetry(policy, failures, error, signal);
    }
  }
}

/** Waits before the repeat that follows the `failures`-th failure; throws the error where there is to be none. */
export async function waitToRetry(
  policy: RetryPolicy,
  failures: number,
  error: unknown,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (failures > policy.maxRetries || !mayPass(error)) throw error;
  const backoff = Math.min(longestDelayMs, policy.baseDelayMs * 2 ** (failures - 1)) * (0.75 + Math.random() / 2);
  await sleep(error.retryAfterMs ?? backoff, signal);
}

function mayPass(error: unknown): error is DaytonahError {
  if (!(error instanceof DaytonahError) || (error.retryAfterMs ?? 0) > longestAskedDelayMs) return false;
  // A lost host stays lost for minutes, if it comes back at all.
  return error instanceof UnavailableError ? error.reason !== "HOST_LOST" : wasRefused(error);
}

/** The platform did nothing of it: too many other calls were under way. */
function wasRefused(error: unknown): boolean {
  return error instanceof DaytonahError && error.reason === "TOO_MANY_CALLS";
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
