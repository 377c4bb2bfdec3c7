/** Gives new events their place in the log, and wakes who waits for them. Every server does, whichever is first. */
import { eventLogHead, organizationsInLog, placeEvents } from "../db/events.ts";
import type { ServiceDeps } from "../services/deps.ts";

/** A turn, which goes on from where the log ended after the one before. */
export function createPlaceEvents({ db, events }: Pick<ServiceDeps, "db" | "events">): () => Promise<void> {
  let known: bigint | undefined;
  return async () => {
    const { hasUnplaced } = await eventLogHead(db);
    if (hasUnplaced) await placeEvents(db);
    const { lastPosition } = await eventLogHead(db);
    if (known !== undefined && known < lastPosition) {
      events.announce(await organizationsInLog(db, known, lastPosition));
    }
    known = lastPosition;
  };
}
