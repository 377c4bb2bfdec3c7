/** Gives new events their place in the log, and wakes who waits for them. Every server does, whichever is first. */
import { eventLogHead, organizationsInLog, placeEvents } from "../db/events.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { repeat } from "./repeat.ts";

type Deps = Pick<ServiceDeps, "db" | "events" | "clock" | "log">;

/**
 * Asked for so often rather than announced by PostgreSQL: NOTIFY takes one lock for the whole database at commit, so that
 * no two creates could wait for the disk together.
 */
const everyMs = 200;

export function createPlaceEvents(deps: Deps) {
  return {
    run({ signal }: { readonly signal: AbortSignal }) {
      let known: bigint | undefined;
      return repeat({ name: "place-events", everyMs, clock: deps.clock, log: deps.log, signal }, async () => {
        known = await placeAndAnnounce(deps, known);
      });
    },
  };
}

/** One turn; where the log ends after it. */
export async function placeAndAnnounce({ db, events }: Deps, known: bigint | undefined): Promise<bigint> {
  const { hasUnplaced } = await eventLogHead(db);
  if (hasUnplaced) await placeEvents(db);
  const { lastPosition } = await eventLogHead(db);
  if (known !== undefined && known < lastPosition) {
    events.announce(await organizationsInLog(db, known, lastPosition));
  }
  return lastPosition;
}
