/** Does something again and again until the signal; a failure is logged and tried again at the next turn. */
import type { Logger } from "@daytonah/lib/log.ts";
import type { Clock } from "../domain/clock.ts";

export interface RepeatOptions {
  readonly name: string;
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export async function repeat(options: RepeatOptions, turn: () => Promise<void>): Promise<void> {
  const { name, everyMs, clock, log, signal } = options;
  let failing = false;
  while (!signal.aborted) {
    try {
      await turn();
      failing = false;
    } catch (error) {
      // Once: while the database is down every turn of every loop fails alike.
      if (!failing) log.warn("loop.turn_failed", { loop: name, error });
      failing = true;
    }
    await clock.sleep(everyMs, { signal }).catch(() => undefined);
  }
}
