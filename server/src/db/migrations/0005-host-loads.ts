/** What is spoken for on each host, counted as sandboxes move: a placement reads one row for each host, not the sandboxes. */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

export const hostLoads: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};

const statements = [
  `alter table hosts
    add column draining boolean not null default false,
    add column cpu_class text not null default '',
    add column memory_shared boolean not null default false,
    add column disk_shared boolean not null default false,
    add column template_disks jsonb not null default '{}'`,
  // Apart from hosts, which each server's report of a host writes: a placement locks this row only. What the host offers
  // is repeated here, so that the emptiest are found by an index.
  `create table host_loads (
    host_id text primary key references hosts on delete cascade,
    vcpus_offered integer not null,
    memory_offered_mib bigint not null,
    vm_overhead_mib integer not null,
    sandboxes integer not null default 0,
    vms integer not null default 0,
    vcpus integer not null default 0,
    memory_mib bigint not null default 0,
    disk_mib bigint not null default 0,
    free_share float8 not null generated always as (least(
      (memory_offered_mib - memory_mib - vms * vm_overhead_mib)::float8 / greatest(memory_offered_mib, 1),
      (vcpus_offered - vcpus)::float8 / greatest(vcpus_offered, 1))) stored
  )`,
  "create index host_loads_by_free_share on host_loads (free_share desc, host_id)",
  // The states of statesHoldingRoom in domain/sandbox-state.ts; a test holds the two together.
  `create function holds_room(state text) returns boolean immutable parallel safe language sql as $$
    select state in ('creating', 'running', 'pausing', 'resuming', 'lost', 'deleting')
  $$`,
  // Disks are thin: once it is made, a disk is part of what its host says is used. Until then it counts whole.
  `create function count_host_load() returns trigger language plpgsql as $$
    begin
      update host_loads l set
        sandboxes = l.sandboxes + d.sandboxes, vms = l.vms + d.vms, vcpus = l.vcpus + d.vcpus,
        memory_mib = l.memory_mib + d.memory_mib, disk_mib = l.disk_mib + d.disk_mib
      from (
        select (s).host_id as id, sum(sign) as sandboxes,
          coalesce(sum(sign) filter (where holds_room((s).state)), 0) as vms,
          coalesce(sum(sign * (s).vcpus) filter (where holds_room((s).state)), 0) as vcpus,
          coalesce(sum(sign * (s).memory_mib) filter (where holds_room((s).state)), 0) as memory_mib,
          coalesce(sum(sign * (s).disk_mib) filter (where (s).state = 'creating'), 0) as disk_mib
        from (values (new, 1), (old, -1)) as change (s, sign)
        where (s).host_id is not null and (s).state <> 'deleted'
        group by (s).host_id
      ) d
      where l.host_id = d.id and (d.sandboxes, d.vms, d.vcpus, d.memory_mib, d.disk_mib) <> (0, 0, 0, 0, 0);
      return null;
    end
  $$`,
  `create trigger count_host_load after insert or delete or update of state, host_id, vcpus, memory_mib, disk_mib
    on sandboxes for each row execute function count_host_load()`,
  `create function copy_host_offer() returns trigger language plpgsql as $$
    begin
      insert into host_loads (host_id, vcpus_offered, memory_offered_mib, vm_overhead_mib)
      values (new.id, new.vcpus, new.memory_mib, new.vm_overhead_mib)
      on conflict (host_id) do update set vcpus_offered = excluded.vcpus_offered,
        memory_offered_mib = excluded.memory_offered_mib, vm_overhead_mib = excluded.vm_overhead_mib;
      return null;
    end
  $$`,
  "create trigger copy_host_offer after insert on hosts for each row execute function copy_host_offer()",
  `create trigger copy_changed_host_offer after update on hosts for each row
    when ((old.vcpus, old.memory_mib, old.vm_overhead_mib) is distinct from (new.vcpus, new.memory_mib, new.vm_overhead_mib))
    execute function copy_host_offer()`,
  `insert into host_loads
    select h.id, h.vcpus, h.memory_mib, h.vm_overhead_mib, count(s.id), count(s.id) filter (where holds_room(s.state)),
      coalesce(sum(s.vcpus) filter (where holds_room(s.state)), 0),
      coalesce(sum(s.memory_mib) filter (where holds_room(s.state)), 0),
      coalesce(sum(s.disk_mib) filter (where s.state = 'creating'), 0)
    from hosts h left join sandboxes s on s.host_id = h.id and s.state <> 'deleted'
    group by h.id`,
];
