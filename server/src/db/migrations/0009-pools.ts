/** Warm pools: VMs that run before anybody asks for them. */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

export const pools: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};

const statements = [
  `create table pools (
    id text primary key,
    template text not null,
    vcpus integer not null,
    memory_mib integer not null,
    disk_mib integer not null,
    min_ready integer not null,
    max_ready integer not null,
    demand_window_ms bigint not null,
    hits bigint not null default 0,
    misses bigint not null default 0,
    fill_after timestamptz(3) not null default clock_timestamp(),
    unique (template, vcpus, memory_mib, disk_mib)
  )`,
  // One row for each create that a pool could have served, so that creates don't wait for one another to count.
  `create table pool_demand (
    pool_id text not null references pools on delete cascade,
    time timestamptz(3) not null,
    hit boolean not null
  )`,
  "create index pool_demand_by_pool on pool_demand (pool_id, time)",
  // Nobody's until it is claimed: no query for an organization's sandboxes finds it.
  `alter table sandboxes
    alter column org_id drop not null,
    add column pool_id text,
    add column template_digest text,
    drop constraint sandboxes_state_check,
    add constraint sandboxes_state_check check (state in ('filling', 'pooled', 'creating', 'running', 'pausing', 'paused',
      'archiving', 'archived', 'resuming', 'lost', 'failed', 'deleting', 'deleted')),
    add constraint sandboxes_owner_check check (org_id is not null or state in ('filling', 'pooled', 'deleting'))`,
  "create index sandboxes_pooled on sandboxes (pool_id, state_time) where state in ('filling', 'pooled')",
  "drop index sandboxes_claimed",
  `create index sandboxes_claimed on sandboxes (claim_until)
    where state in ('filling', 'creating', 'pausing', 'resuming', 'deleting')`,
  `create or replace function holds_room(state text) returns boolean immutable parallel safe language sql as $$
    select state in ('filling', 'pooled', 'creating', 'running', 'pausing', 'resuming', 'lost', 'deleting')
  $$`,
  // As before, but for a disk that is being made: that is at the fill, and not again when the VM is claimed.
  `create or replace function count_host_load() returns trigger language plpgsql as $$
    begin
      update host_loads l set
        sandboxes = l.sandboxes + d.sandboxes, vms = l.vms + d.vms, vcpus = l.vcpus + d.vcpus,
        memory_mib = l.memory_mib + d.memory_mib, disk_mib = l.disk_mib + d.disk_mib
      from (
        select (s).host_id as id, sum(sign) as sandboxes,
          coalesce(sum(sign) filter (where holds_room((s).state)), 0) as vms,
          coalesce(sum(sign * (s).vcpus) filter (where holds_room((s).state)), 0) as vcpus,
          coalesce(sum(sign * (s).memory_mib) filter (where holds_room((s).state)), 0) as memory_mib,
          coalesce(sum(sign * (s).disk_mib) filter (where
            (s).state = 'filling' or (s).state = 'creating' and (s).pool_id is null), 0) as disk_mib
        from (values (new, 1), (old, -1)) as change (s, sign)
        where (s).host_id is not null and (s).state <> 'deleted'
        group by (s).host_id
      ) d
      where l.host_id = d.id and (d.sandboxes, d.vms, d.vcpus, d.memory_mib, d.disk_mib) <> (0, 0, 0, 0, 0);
      return null;
    end
  $$`,
];
