/** Who may reach a sandbox at its host's edge, and a list by labels that stays fast. */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

export const access: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};

const statements = [
  "alter table hosts add column edge_url text not null default ''",
  `alter table sandboxes
    add column public_ports integer[] not null default '{}',
    add column access_version integer not null default 1,
    add column access_told integer not null default 1`,
  "create index sandboxes_untold on sandboxes (host_id) where access_told < access_version",
  "create index sandboxes_by_metadata on sandboxes using gin (metadata jsonb_path_ops) where state <> 'deleted'",
];
