/** Tombstones: what a deleted sandbox had stays on its host until purge_time. */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

export const tombstones: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};

const statements = [
  "alter table sandboxes add column purge_time timestamptz(3)",
  "create index sandboxes_tombstones on sandboxes (purge_time) where state = 'deleted' and host_id is not null",
];
