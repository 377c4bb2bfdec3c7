/** Organizations, keys, hosts, sandboxes, the outbox and idempotency keys. */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

export const init: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};

// Times have milliseconds: what a page token holds is then exactly what the row holds.
const statements = [
  `create table organizations (
    id text primary key,
    name text not null,
    create_time timestamptz(3) not null default clock_timestamp()
  )`,
  `create table api_keys (
    id text primary key,
    org_id text not null references organizations,
    name text not null,
    hash bytea not null unique,
    prefix text not null,
    scopes text[] not null,
    create_time timestamptz(3) not null default clock_timestamp(),
    revoke_time timestamptz(3)
  )`,
  "create index api_keys_by_org on api_keys (org_id, create_time desc, id desc)",
  `create table hosts (
    id text primary key,
    state text not null check (state in ('ready', 'unreachable')),
    architecture text not null,
    driver text not null,
    hardware_isolated boolean not null,
    vcpus integer not null,
    memory_mib bigint not null,
    disk_free_mib bigint not null,
    templates jsonb not null,
    version text not null,
    instance_id text not null,
    seen_time timestamptz(3) not null default clock_timestamp()
  )`,
  `create table sandboxes (
    id text primary key,
    org_id text not null references organizations,
    state text not null check (state in ('creating', 'running', 'pausing', 'paused', 'archiving', 'archived',
      'resuming', 'lost', 'failed', 'deleting', 'deleted')),
    epoch bigint not null,
    template text not null,
    vcpus integer not null,
    memory_mib integer not null,
    disk_mib integer not null,
    metadata jsonb not null,
    env jsonb,
    host_id text references hosts,
    hardware_isolated boolean not null,
    keyed boolean not null,
    token_generation integer not null default 1,
    failure_reason text,
    failure_message text,
    claim_until timestamptz(3),
    create_time timestamptz(3) not null default clock_timestamp(),
    state_time timestamptz(3) not null default clock_timestamp()
  )`,
  "create index sandboxes_by_org on sandboxes (org_id, create_time desc, id desc)",
  "create index sandboxes_by_host on sandboxes (host_id) where state <> 'deleted'",
  "create index sandboxes_claimed on sandboxes (claim_until) where state in ('creating', 'deleting')",
  `create table events (
    id bigint generated always as identity primary key,
    org_id text not null,
    sandbox_id text not null,
    kind text not null,
    epoch bigint not null,
    data jsonb not null,
    time timestamptz(3) not null default clock_timestamp()
  )`,
  "create index events_by_sandbox on events (sandbox_id, id)",
  `create table idempotency (
    org_id text not null references organizations,
    rpc text not null,
    key text not null,
    request_digest bytea not null,
    result_id text not null,
    create_time timestamptz(3) not null default clock_timestamp(),
    primary key (org_id, rpc, key)
  )`,
  "create index idempotency_by_time on idempotency (create_time)",
];
