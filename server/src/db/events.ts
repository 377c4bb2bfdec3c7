/** The log of events: who puts them in order, who reads them, and what is forgotten. */
import { type Selectable, sql } from "kysely";
import type { Db, DbOrTx, Tables } from "./schema.ts";

export type EventRow = Omit<Selectable<Tables["events"]>, "position"> & { readonly position: string };

const placedAtOnce = 1_000;

/**
 * Gives every event that is committed by now its place. Ids are drawn before a transaction commits, so their order is not
 * the one in which events can be seen: a reader that goes by ids passes over one that commits late. Places are given to
 * what is committed, by one transaction at a time, so whoever sees one sees all before it.
 */
export async function placeEvents(db: Db): Promise<void> {
  while ((await placeSome(db)) === placedAtOnce);
}

async function placeSome(db: Db): Promise<number> {
  return db.transaction().execute(async (tx) => {
    // A statement of its own: the next one then sees what whoever had the lock before has placed.
    await sql`select 1 from event_log for update`.execute(tx);
    const placed = await sql`
      with next as (
        select id, row_number() over (order by id) as nth
        from (select id from events where position is null order by id limit ${placedAtOnce}) as unplaced
      )
      update events set position = event_log.last_position + next.nth from next, event_log where events.id = next.id`.execute(
      tx,
    );
    const count = Number(placed.numAffectedRows ?? 0n);
    if (count > 0) await sql`update event_log set last_position = last_position + ${count}`.execute(tx);
    return count;
  });
}

export interface EventLogHead {
  readonly lastPosition: bigint;
  /** Up to here some are forgotten. */
  readonly forgottenPosition: bigint;
  readonly hasUnplaced: boolean;
}

export async function eventLogHead(db: DbOrTx): Promise<EventLogHead> {
  const { rows } = await sql<{ last_position: string; forgotten_position: string; has_unplaced: boolean }>`
    select last_position, forgotten_position,
      exists (select from events where position is null) as has_unplaced
    from event_log`.execute(db);
  const [row] = rows;
  if (!row) throw new Error("The table event_log has lost its row.");
  return {
    lastPosition: BigInt(row.last_position),
    forgottenPosition: BigInt(row.forgotten_position),
    hasUnplaced: row.has_unplaced,
  };
}

/** Whose events have these places. */
export async function organizationsInLog(db: DbOrTx, after: bigint, upTo: bigint): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("events")
    .select("org_id")
    .distinct()
    .where("position", ">", String(after))
    .where("position", "<=", String(upTo))
    .execute();
  return rows.map(({ org_id }) => org_id);
}

export interface EventFilter {
  readonly orgId: string;
  /** Empty: of all. */
  readonly sandboxId: string;
  readonly after: bigint;
  readonly upTo: bigint;
  readonly limit: number;
}

/** In order. `upTo` is a last_position that was read before: what lies up to it is all there. */
export async function readEvents(db: DbOrTx, filter: EventFilter): Promise<readonly EventRow[]> {
  const rows = await db
    .selectFrom("events")
    .selectAll()
    .where("org_id", "=", filter.orgId)
    .$if(filter.sandboxId !== "", (query) => query.where("sandbox_id", "=", filter.sandboxId))
    .where("position", ">", String(filter.after))
    .where("position", "<=", String(filter.upTo))
    .orderBy("position")
    .limit(filter.limit)
    .execute();
  return rows as readonly EventRow[];
}

/** Drops some of those that are older; how many. The log remembers up to where it has gaps. */
export async function forgetEvents(db: DbOrTx, olderThanDays: number, limit: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with gone as (
      delete from events where id in (
        select id from events
        where time < clock_timestamp() - make_interval(days => ${olderThanDays}) and position is not null
        limit ${limit}
      )
      returning position
    ), noted as (
      update event_log set forgotten_position = greatest(forgotten_position, newest.position)
      from (select max(position) as position from gone) as newest where newest.position is not null
    )
    select count(*)::int as count from gone`.execute(db);
  return rows[0]?.count ?? 0;
}
