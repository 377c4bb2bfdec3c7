/** A stream of a sandbox's, over as many calls as it takes, on whichever way there is. */
import { type ReopeningOptions, reopening } from "../reopening.ts";
import type { DataPlane } from "./data-plane.ts";
import type { DataWay } from "./data-way.ts";

/** Options of a call without a deadline: it ends with its signal. */
export interface StreamCall {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** One call. `progress` says that its way is a good one. */
export type StreamAttempt<T> = (way: DataWay, call: StreamCall, progress: () => void) => AsyncIterable<T>;

/** `attempt` makes one call, from where the last one stopped. It returns when all is told and throws when the call broke. */
export function resuming<T>(
  plane: DataPlane,
  options: ReopeningOptions,
  attempt: StreamAttempt<T>,
): AsyncGenerator<T, void, undefined> {
  let way: DataWay | undefined;
  let token = plane.accessToken;
  const policy = {
    ...options,
    retry: plane.connection.options.retry,
    hasOtherWay: async (failure: unknown) => way !== undefined && plane.makesAnew(way, failure, token, true),
  };
  return reopening(policy, async function* (signal, progress) {
    way = undefined;
    token = plane.accessToken;
    way = await plane.way();
    yield* attempt(way, { headers: plane.headers, signal }, progress);
  });
}
