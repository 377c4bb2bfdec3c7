/** Deleted sandboxes whose host still has what they had. Without a purge time: somebody has begun to purge it. */
import { sql } from "kysely";
import { claimEnd } from "./claims.ts";
import type { SandboxRow } from "./sandboxes.ts";
import type { DbOrTx } from "./schema.ts";

const unclaimed = sql<boolean>`coalesce(claim_until, '-infinity') <= clock_timestamp()`;

/** Takes those whose time is over, or whose purge was left half done. From then on they can't be undeleted. */
export async function takeDueTombstones(db: DbOrTx, limit: number): Promise<readonly SandboxRow[]> {
  return db
    .updateTable("sandboxes")
    .set({ purge_time: null, claim_until: claimEnd })
    .where("id", "in", (query) =>
      query
        .selectFrom("sandboxes")
        .select("id")
        .where("state", "=", "deleted")
        .where("host_id", "is not", null)
        .where(sql<boolean>`coalesce(purge_time, '-infinity') <= clock_timestamp()`)
        .where(unclaimed)
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .returningAll()
    .execute();
}

/** Takes one before its time. Undefined where there is none, or another server purges it. */
export async function takeTombstone(db: DbOrTx, orgId: string, id: string): Promise<SandboxRow | undefined> {
  return db
    .updateTable("sandboxes")
    .set({ purge_time: null, claim_until: claimEnd })
    .where("id", "=", id)
    .where("org_id", "=", orgId)
    .where("state", "=", "deleted")
    .where("host_id", "is not", null)
    .where(unclaimed)
    .returningAll()
    .executeTakeFirst();
}

/** Its host has nothing of it any more. */
export async function forgetTombstone(db: DbOrTx, { id, epoch }: SandboxRow): Promise<void> {
  await sql`
    with purged as (
      update sandboxes set host_id = null, memory_kept = false, claim_until = null
      where id = ${id} and state = 'deleted' and purge_time is null and host_id is not null
      returning org_id
    )
    insert into events (org_id, sandbox_id, kind, epoch, data)
    select org_id, ${id}, 'sandbox.purged', ${epoch}, '{}' from purged where org_id is not null`.execute(db);
}
