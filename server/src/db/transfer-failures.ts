/** What could not be moved off its host: when that is tried again, and which hosts refused it. */
import { sql } from "kysely";
import type { DbOrTx } from "./schema.ts";

/** Of a sandbox or snapshot: the hosts that refused it since none was left to ask. */
export async function refusalsOf(db: DbOrTx, id: string): Promise<readonly string[]> {
  const row = await db.selectFrom("transfer_failures").select("refused_by").where("id", "=", id).executeTakeFirst();
  return row?.refused_by ?? [];
}

export async function noteRefusal(db: DbOrTx, id: string, hostId: string): Promise<void> {
  await sql`
    insert into transfer_failures as f (id, failures, retry_time, refused_by)
    values (${id}, 0, clock_timestamp(), array[${hostId}::text])
    on conflict (id) do update set refused_by = f.refused_by || ${hostId}::text`.execute(db);
}

/** None is left to ask: the next time all are again. */
export async function forgetRefusals(db: DbOrTx, id: string): Promise<void> {
  await db.updateTable("transfer_failures").set({ refused_by: [] }).where("id", "=", id).execute();
}

/** Tried again after 1 s, 2 s, 4 s and so on, a minute at most. */
export async function noteTransferFailed(db: DbOrTx, id: string): Promise<void> {
  await sql`
    insert into transfer_failures as f (id, failures, retry_time, refused_by)
    values (${id}, 1, clock_timestamp() + interval '1 second', '{}')
    on conflict (id) do update set failures = f.failures + 1,
      retry_time = clock_timestamp() + least(interval '1 minute', interval '1 second' * power(2, least(f.failures, 6)))`.execute(
    db,
  );
}

export async function forgetTransferFailures(db: DbOrTx, id: string): Promise<void> {
  await db.deleteFrom("transfer_failures").where("id", "=", id).execute();
}

/** Of what was deleted since, or stays on a host that is not drained any more: what still fails is tried each minute. */
export async function forgetOldTransferFailures(db: DbOrTx): Promise<void> {
  await db
    .deleteFrom("transfer_failures")
    .where("retry_time", "<", sql<Date>`clock_timestamp() - interval '1 day'`)
    .execute();
}

/** What is on this host is tried at once. */
export async function forgetTransferFailuresOn(tx: DbOrTx, hostId: string): Promise<void> {
  await sql`
    delete from transfer_failures where id in (select id from sandboxes where host_id = ${hostId}
      union all select id from snapshots where host_id = ${hostId})`.execute(tx);
}
