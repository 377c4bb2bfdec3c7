/** Hosts that join by a token, the keys that all servers share, and leases. */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

export const joining: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};

const statements = [
  `alter table hosts
    add column url text not null default '',
    add column tls_name text not null default '',
    add column certificate_claim_until timestamptz(3),
    add column lease_until timestamptz(3)`,
  `create table join_tokens (
    hash bytea primary key,
    host_id text not null,
    expire_time timestamptz(3) not null,
    used_host_id text,
    used_key_digest bytea,
    used_tls_name text
  )`,
  `create table platform_keys (
    only_row boolean primary key default true check (only_row),
    sealed bytea not null
  )`,
];
