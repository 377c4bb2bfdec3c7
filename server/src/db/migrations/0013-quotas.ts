/** What an organization may have at most. */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

export const quotas: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};

const statements = [
  `alter table organizations
    add column max_sandboxes integer,
    add column max_vcpus integer,
    add column max_memory_mib integer`,
  // The quota that so much more would go beyond; null where none. Those who ask at once for an organization that has quotas go one
  // after the other, until each one's transaction ends: what is counted after the lock is what the others left.
  `create function exceeded_quota(org text, more_sandboxes integer, more_vcpus integer, more_memory_mib integer)
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
        from (select vcpus, memory_mib, state not in ('paused', 'archiving', 'archived', 'failed') as holds_room
          from sandboxes where org_id = org and state <> 'deleted') existing;
      return (select jsonb_build_object('quota', q.quota, 'used', q.used, 'limit', q.most) from (values
          ('sandboxes', used.sandboxes, most.max_sandboxes, more_sandboxes),
          ('vcpus', used.vcpus, most.max_vcpus, more_vcpus),
          ('memory_mib', used.memory_mib, most.max_memory_mib, more_memory_mib)
        ) q (quota, used, most, more)
        where q.more > 0 and q.used + q.more > q.most limit 1);
    end $$`,
];
