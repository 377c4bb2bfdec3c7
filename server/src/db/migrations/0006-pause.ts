/** Pause and resume, and when a sandbox ends or pauses by itself. */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

export const pause: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};

const statements = [
  `alter table sandboxes
    add column memory_kept boolean not null default false,
    add column timeout_ms bigint,
    add column end_time timestamptz(3),
    add column on_timeout text not null default 'pause' check (on_timeout in ('pause', 'delete')),
    add column idle_timeout_ms bigint,
    add column auto_resume boolean not null default false,
    add column lifecycle_version integer not null default 1,
    add column lifecycle_told integer not null default 1`,
  "drop index sandboxes_untold",
  `create index sandboxes_untold on sandboxes (host_id)
    where access_told < access_version or lifecycle_told < lifecycle_version`,
  "drop index sandboxes_claimed",
  `create index sandboxes_claimed on sandboxes (claim_until)
    where state in ('creating', 'pausing', 'resuming', 'deleting')`,
];
