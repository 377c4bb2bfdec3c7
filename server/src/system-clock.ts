/** The machine's own time. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "./domain/clock.ts";

export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, { signal }) {
    try {
      await sleep(ms, undefined, signal ? { signal } : {});
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  },
};
