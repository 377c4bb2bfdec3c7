/** What each VM takes of its host's memory beside its own. 0 until the host says. */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

export const vmOverhead: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`alter table hosts add column vm_overhead_mib integer not null default 0`.execute(db);
  },
};
