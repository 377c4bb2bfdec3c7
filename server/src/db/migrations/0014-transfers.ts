/** Moves between hosts, of sandboxes and of snapshots. */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

export const transfers: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};

const statements = [
  `alter table sandboxes
    add column transfer text check (transfer in ('copying', 'landing', 'resuming')),
    add column transfer_host_id text references hosts,
    add column transfer_resume boolean not null default false,
    add column transfer_epoch bigint not null default 0,
    add column transfer_claim_until timestamptz(3)`,
  "create index sandboxes_transferred on sandboxes (transfer_claim_until) where transfer is not null",
  "create index sandboxes_tombstones_by_host on sandboxes (host_id) where state = 'deleted' and host_id is not null",
  // A deleted snapshot forgets its host when that is removed.
  `alter table snapshots
    alter column host_id drop not null,
    add column transfer text check (transfer in ('copying', 'landing')),
    add column transfer_host_id text references hosts,
    add column transfer_claim_until timestamptz(3)`,
  "create index snapshots_transferred on snapshots (transfer_claim_until) where transfer is not null",
  `create table transfer_failures (
    id text primary key,
    failures integer not null,
    retry_time timestamptz(3) not null,
    refused_by text[] not null
  )`,
  "alter table hosts add column obstacle_reason text, add column obstacle_message text",
  // As before, and: what is to run again keeps its room where it was, and has it where it is copied to, with its disk.
  `create or replace function count_host_load() returns trigger language plpgsql as $$
    begin
      update host_loads l set
        sandboxes = l.sandboxes + d.sandboxes, vms = l.vms + d.vms, vcpus = l.vcpus + d.vcpus,
        memory_mib = l.memory_mib + d.memory_mib, disk_mib = l.disk_mib + d.disk_mib
      from (
        select place.host_id as id,
          coalesce(sum(sign) filter (where is_there), 0) as sandboxes,
          coalesce(sum(sign) filter (where runs), 0) as vms,
          coalesce(sum(sign * (s).vcpus) filter (where runs), 0) as vcpus,
          coalesce(sum(sign * (s).memory_mib) filter (where runs), 0) as memory_mib,
          coalesce(sum(sign * place.disk_mib), 0) as disk_mib
        from (values (new, 1), (old, -1)) as change (s, sign),
        lateral (values
          ((s).host_id, true, holds_room((s).state) or (s).transfer_resume, case when
            (s).state = 'filling' or (s).state = 'creating' and (s).pool_id is null then (s).disk_mib else 0 end),
          (case when (s).transfer = 'copying' then (s).transfer_host_id end, false, (s).transfer_resume,
            (s).disk_mib + (s).memory_mib)
        ) as place (host_id, is_there, runs, disk_mib)
        where place.host_id is not null and (s).state <> 'deleted'
        group by place.host_id
      ) d
      where l.host_id = d.id and (d.sandboxes, d.vms, d.vcpus, d.memory_mib, d.disk_mib) <> (0, 0, 0, 0, 0);
      return null;
    end
  $$`,
  "drop trigger count_host_load on sandboxes",
  `create trigger count_host_load after insert or delete or update of state, host_id, vcpus, memory_mib, disk_mib,
    transfer, transfer_host_id, transfer_resume on sandboxes for each row execute function count_host_load()`,
  // As before, and: what is to run again counts as what runs.
  `create or replace function exceeded_quota(org text, more_sandboxes integer, more_vcpus integer, more_memory_mib integer)
    returns jsonb language plpgsql as $$
    declare
      most organizations;
      used record;
    begin
      select * into most from organizations
        where id = org and coalesce(max_sandboxes, max_vcpus, max_memory_mib) is not null
        for no key update;
      if not found then return null; end if;
      select count(*) as sandboxes,
          coalesce(sum(vcpus) filter (where holds_room), 0) as vcpus,
          coalesce(sum(memory_mib) filter (where holds_room), 0) as memory_mib
        into used
        from (select vcpus, memory_mib,
            transfer_resume or state not in ('paused', 'archiving', 'archived', 'failed') as holds_room
          from sandboxes where org_id = org and state <> 'deleted') existing;
      return (select jsonb_build_object('quota', q.quota, 'used', q.used, 'limit', q.most) from (values
          ('sandboxes', used.sandboxes, most.max_sandboxes, more_sandboxes),
          ('vcpus', used.vcpus, most.max_vcpus, more_vcpus),
          ('memory_mib', used.memory_mib, most.max_memory_mib, more_memory_mib)
        ) q (quota, used, most, more)
        where q.more > 0 and q.used + q.more > q.most limit 1);
    end $$`,
];
