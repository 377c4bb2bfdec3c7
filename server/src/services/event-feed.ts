/** Wakes who waits for events of an organization. */
import { problem } from "@daytonah/lib/problem.ts";
import type { Clock } from "../domain/clock.ts";

export interface EventFeed {
  /** Until disposed. Throws where the organization has too many. */
  subscribe(orgId: string): EventSubscription;
  /** There are new ones of these organizations. */
  announce(orgIds: readonly string[]): void;
  /** Aborts when the server stops. */
  readonly ended: AbortSignal;
  end(): void;
}

export interface EventSubscription extends Disposable {
  /** Resolves when something was announced since it last resolved, or after `ms`. Rejects with the signal's reason. */
  news(ms: number, signal: AbortSignal): Promise<void>;
}

/** Of one organization: each asks the database at each event. */
const maxStreams = 200;

export function createEventFeed(clock: Clock): EventFeed {
  const ending = new AbortController();
  const subscribers = new Map<string, Set<() => void>>();
  return {
    subscribe(orgId) {
      let announced = Promise.withResolvers<void>();
      const notice = () => announced.resolve();
      const all = subscribers.get(orgId) ?? new Set();
      if (all.size >= maxStreams) throw tooMany(all.size);
      subscribers.set(orgId, all.add(notice));
      return {
        async news(ms, signal) {
          const timer = new AbortController();
          const silence = clock.sleep(ms, { signal: AbortSignal.any([signal, timer.signal]) });
          silence.catch(() => undefined); // where the announcement is first, nobody looks at it
          try {
            await Promise.race([announced.promise, silence]);
          } finally {
            timer.abort();
          }
          announced = Promise.withResolvers();
        },
        [Symbol.dispose]() {
          all.delete(notice);
          if (all.size === 0) subscribers.delete(orgId);
        },
      };
    },
    announce(orgIds) {
      for (const notice of orgIds.flatMap((orgId) => [...(subscribers.get(orgId) ?? [])])) notice();
    },
    ended: ending.signal,
    end: () => ending.abort(),
  };
}

function tooMany(open: number) {
  return problem("QUOTA_EXCEEDED", `Your organization has ${open} streams of events at this server already.`, {
    metadata: { quota: "event_streams", used: String(open), limit: String(maxStreams) },
    nextStep: "End some, or let your programs share one.",
  });
}
