/** An organization's events from a cursor on, as they come: docs/events.md. */
import { problem } from "@daytonah/lib/problem.ts";
import { type EventLogHead, type EventRow, eventLogHead, placeEvents, readEvents } from "../db/events.ts";
import type { ServiceDeps } from "./deps.ts";

export interface WatchEventsInput {
  readonly orgId: string;
  /** Empty: of all. */
  readonly sandboxId: string;
  /** Empty: from now on. "0": all that are kept. */
  readonly cursor: string;
  /** Throws where the caller may no longer see them. */
  readonly demandAllowed: () => Promise<void>;
}

export type WatchedEvent =
  | { readonly t: "event"; readonly row: EventRow }
  | { readonly t: "heartbeat"; readonly cursor: string };

const heartbeatMs = 5_000;
/** What is held in memory for a reader who takes his time. */
const pageSize = 200;

/** Ends when the server stops; throws the signal's reason when the caller goes away. */
export async function* watchEvents(
  { db, clock, events }: Pick<ServiceDeps, "db" | "clock" | "events">,
  { orgId, sandboxId, cursor, demandAllowed }: WatchEventsInput,
  signal: AbortSignal,
): AsyncGenerator<WatchedEvent, void, undefined> {
  using subscription = events.subscribe(orgId);
  const over = AbortSignal.any([signal, events.ended]);
  await placeEvents(db); // what happened before the call
  let head = await eventLogHead(db);
  let position = startOf(cursor, head);
  let spokeAt: number | undefined; // the first heartbeat says that all there was is told
  for (;;) {
    for (let isMore = true; isMore; ) {
      const rows = await readEvents(db, {
        orgId,
        sandboxId,
        after: position,
        upTo: head.lastPosition,
        limit: pageSize,
      });
      for (const row of rows) {
        yield { t: "event", row };
        position = BigInt(row.position);
      }
      if (rows.length > 0) spokeAt &&= clock.now();
      isMore = rows.length === pageSize;
    }
    position = head.lastPosition;
    if (spokeAt === undefined || clock.now() - spokeAt >= heartbeatMs) {
      yield { t: "heartbeat", cursor: String(position) };
      spokeAt = clock.now();
    }
    try {
      await subscription.news(spokeAt + heartbeatMs - clock.now(), over);
    } catch (error) {
      if (events.ended.aborted) return;
      throw error;
    }
    await demandAllowed();
    head = await eventLogHead(db);
  }
}

function startOf(cursor: string, { lastPosition, forgottenPosition }: EventLogHead): bigint {
  if (cursor === "") return lastPosition;
  const position = BigInt(cursor);
  if (position === 0n || (position >= forgottenPosition && position <= lastPosition)) return position;
  const why = position > lastPosition ? "is not of this platform's log" : "lies before what is kept: 7 days";
  throw problem("CURSOR_INVALID", `The cursor ${cursor} ${why}.`, { metadata: { cursor } });
}
