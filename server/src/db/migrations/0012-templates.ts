/** Templates of organizations, each on a snapshot. */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

export const templates: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};

const statements = [
  `create table templates (
    org_id text not null references organizations,
    name text not null,
    description text not null,
    snapshot_id text not null references snapshots,
    create_time timestamptz(3) not null default clock_timestamp(),
    primary key (org_id, name)
  )`,
  "create index templates_by_snapshot on templates (snapshot_id)",
  "alter table snapshots add column template_name text, add column template_description text",
  "drop index snapshots_open",
  `create index snapshots_open on snapshots (claim_until)
    where state in ('creating', 'deleting') or internal or template_name is not null`,
];
