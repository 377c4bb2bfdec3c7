/** Gives events an order that readers can go on from: docs/decisions/0013-order-of-events.md. */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

export const eventLog: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};

const statements = [
  // Null until the event has its place.
  "alter table events add column position bigint",
  "create index events_unplaced on events (id) where position is null",
  "create unique index events_by_position on events (position)",
  "create index events_by_org on events (org_id, position)",
  "drop index events_by_sandbox",
  "create index events_by_sandbox on events (sandbox_id, position)",
  "create index events_by_time on events using brin (time)",
  `create table event_log (
    only_row boolean primary key default true check (only_row),
    last_position bigint not null default 0,
    forgotten_position bigint not null default 0
  )`,
  "insert into event_log default values",
];
