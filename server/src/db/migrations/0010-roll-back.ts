/** Roll back in place. */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

export const rollBack: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`alter table sandboxes add column roll_back_to text references snapshots`.execute(db);
  },
};
