/** Tries again, each time a little later, as long as an attempt finds that another's work must end first. */
import type { Clock } from "../domain/clock.ts";

export async function whileBusy<T>(clock: Clock, signal: AbortSignal, attempt: () => Promise<T | "busy">): Promise<T> {
  for (let waitMs = 20; ; waitMs = Math.min(200, waitMs * 1.5)) {
    const outcome = await attempt();
    if (outcome !== "busy") return outcome;
    await clock.sleep(waitMs, { signal });
  }
}
