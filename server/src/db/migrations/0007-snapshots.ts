/** Snapshots, and what sandboxes are made of them. */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

export const snapshots: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};

const statements = [
  `create table snapshots (
    id text primary key,
    org_id text not null references organizations,
    name text not null,
    sandbox_id text not null references sandboxes,
    sandbox_epoch bigint not null,
    host_id text not null references hosts,
    state text not null check (state in ('creating', 'ready', 'deleting', 'deleted')),
    internal boolean not null,
    keyed boolean not null,
    template text not null,
    vcpus integer not null,
    memory_mib integer not null,
    disk_mib integer not null,
    metadata jsonb not null,
    size_bytes bigint not null default 0,
    memory_kept boolean not null default false,
    claim_until timestamptz(3),
    create_time timestamptz(3) not null default clock_timestamp()
  )`,
  "create index snapshots_by_org on snapshots (org_id, create_time desc, id desc) where not internal",
  "create index snapshots_by_host on snapshots (host_id) where state <> 'deleted'",
  // One at a time of each sandbox: who comes second waits.
  "create unique index snapshots_being_taken on snapshots (sandbox_id) where state = 'creating'",
  "create index snapshots_open on snapshots (claim_until) where state in ('creating', 'deleting') or internal",
  `alter table sandboxes
    add column parent_id text references sandboxes,
    add column snapshot_id text references snapshots,
    add column fork_id text references snapshots`,
  "create index sandboxes_by_parent on sandboxes (parent_id, create_time) where parent_id is not null",
  "create index sandboxes_by_fork on sandboxes (fork_id) where fork_id is not null",
  "create index sandboxes_by_snapshot on sandboxes (snapshot_id) where snapshot_id is not null",
];
