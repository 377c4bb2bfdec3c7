import { DaytonahError } from "../errors.ts";
import type { ProcessCalls } from "./process-calls.ts";

/** Whoever starts a program with a signal ends it with the signal. Answers with what lets go of the signal. */
export function killOnAbort(calls: ProcessCalls, number: number, signal: AbortSignal | undefined): () => void {
  const onAbort = () => void kill(calls, number);
  signal?.addEventListener("abort", onAbort, { once: true });
  return () => signal?.removeEventListener("abort", onAbort);
}

/** Best effort: the caller is not to wait for it. */
async function kill(calls: ProcessCalls, number: number): Promise<void> {
  // The start may still be on its way.
  for (let tries = 0; tries < 3; tries++) {
    try {
      return await calls.signal(number);
    } catch (error) {
      if (!(error instanceof DaytonahError) || error.reason !== "PROCESS_NOT_FOUND") return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
