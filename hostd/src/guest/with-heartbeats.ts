/** Events of a stream, and a sign of life where it has none for a while: an agent that stands still sends no heartbeats. */
import { setTimeout as sleep } from "node:timers/promises";

/** Longer than an agent's own silence. */
const everyMs = 20_000;

/** `events` is ended with this one; what it waits for must end with its own signal. */
export async function* withHeartbeats<T>(events: AsyncGenerator<T>, beat: () => T): AsyncGenerator<T> {
  try {
    for (;;) {
      const next = events.next();
      let result = await withinTime(next);
      for (; !result; result = await withinTime(next)) yield beat();
      if (result.done) return;
      yield result.value;
    }
  } finally {
    await events.return(undefined);
  }
}

async function withinTime<T>(promise: Promise<T>): Promise<T | undefined> {
  const waiting = new AbortController();
  const limit = sleep(everyMs, undefined, { signal: waiting.signal }).catch(() => undefined);
  return Promise.race([promise, limit]).finally(() => waiting.abort());
}
