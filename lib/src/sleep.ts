import { setTimeout as timer } from "node:timers/promises";

/** Waits; an abort rejects with the signal's own reason, which Node's timer hides behind an AbortError. */
export async function sleep(
  ms: number,
  options: { readonly signal: AbortSignal; readonly ref?: boolean },
): Promise<void> {
  try {
    await timer(ms, undefined, options);
  } catch (error) {
    options.signal.throwIfAborted();
    throw error;
  }
}
