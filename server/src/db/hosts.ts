/** Rows of hosts, and how much room each has. */
import { type Selectable, sql } from "kysely";
import type { HostRoom } from "../domain/placement.ts";
import { statesHoldingRoom } from "../domain/sandbox-state.ts";
import type { DbOrTx, HostTemplateRow, Tables } from "./schema.ts";

export type HostRow = Selectable<Tables["hosts"]>;

export interface HostReport {
  readonly id: string;
  readonly architecture: string;
  readonly driver: string;
  readonly hardwareIsolated: boolean;
  readonly vcpus: number;
  readonly memoryMib: bigint;
  readonly diskFreeMib: bigint;
  readonly templates: readonly HostTemplateRow[];
  readonly version: string;
  readonly instanceId: string;
  readonly vmOverheadMib: number;
  readonly edgeUrl: string;
}

/** What the host said of itself, just now. */
export async function saveHost(db: DbOrTx, report: HostReport): Promise<void> {
  const columns = {
    state: "ready" as const,
    architecture: report.architecture,
    driver: report.driver,
    hardware_isolated: report.hardwareIsolated,
    vcpus: report.vcpus,
    memory_mib: String(report.memoryMib),
    disk_free_mib: String(report.diskFreeMib),
    templates: JSON.stringify(report.templates),
    version: report.version,
    instance_id: report.instanceId,
    vm_overhead_mib: report.vmOverheadMib,
    edge_url: report.edgeUrl,
  };
  const seen = sql<Date>`clock_timestamp()`;
  await db
    .insertInto("hosts")
    .values({ id: report.id, ...columns, seen_time: seen })
    .onConflict((conflict) => conflict.column("id").doUpdateSet({ ...columns, seen_time: seen }))
    .execute();
}

/** Unless another server has heard of it within this time. */
export async function markUnreachable(db: DbOrTx, hostId: string, silentMs: number): Promise<void> {
  await db
    .updateTable("hosts")
    .set({ state: "unreachable" })
    .where("id", "=", hostId)
    .where(sql<boolean>`seen_time < clock_timestamp() - make_interval(secs => ${silentMs / 1000})`)
    .execute();
}

export async function listHosts(db: DbOrTx, after: string, limit: number) {
  return db
    .selectFrom("hosts")
    .selectAll()
    .select((eb) =>
      eb
        .selectFrom("sandboxes")
        .select(sql<number>`count(*)::int`.as("count"))
        .whereRef("sandboxes.host_id", "=", "hosts.id")
        .where("sandboxes.state", "<>", "deleted")
        .as("sandboxes"),
    )
    .where("id", ">", after)
    .orderBy("id")
    .limit(limit)
    .execute();
}

export async function readyHosts(db: DbOrTx): Promise<readonly HostRow[]> {
  return db.selectFrom("hosts").selectAll().where("state", "=", "ready").orderBy("id").execute();
}

/** Keeps other placements on this host waiting until the transaction ends; false where it is no longer ready. */
export async function lockHost(tx: DbOrTx, hostId: string): Promise<boolean> {
  const row = await tx
    .selectFrom("hosts")
    .select("id")
    .where("id", "=", hostId)
    .where("state", "=", "ready")
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Room of these hosts. CPU and memory: what is offered less what rows hold; of memory also
 * what the VMM takes for each, and for the one to be placed. Disks are thin: a new one must fit whole into
 * what is free now, beside those that are still being made.
 */
export async function roomsOf(db: DbOrTx, hostIds: readonly string[]): Promise<readonly HostRoom[]> {
  if (hostIds.length === 0) return [];
  const holds = sql`s.state = any(${statesHoldingRoom as unknown as string[]})`;
  const { rows } = await sql<{ id: string; vcpus: number; memory: number; disk: number }>`
    select h.id,
      (h.vcpus - coalesce(sum(s.vcpus) filter (where ${holds}), 0))::int as vcpus,
      (h.memory_mib - h.vm_overhead_mib
        - coalesce(sum(s.memory_mib + h.vm_overhead_mib) filter (where ${holds}), 0))::float8 as memory,
      (h.disk_free_mib - coalesce(sum(s.disk_mib) filter (where s.state = 'creating'), 0))::float8 as disk
    from hosts h left join sandboxes s on s.host_id = h.id and s.state <> 'deleted'
    where h.id = any(${hostIds as string[]})
    group by h.id`.execute(db);
  return rows.map((row) => ({
    hostId: row.id,
    vcpusFree: row.vcpus,
    memoryFreeMib: row.memory,
    diskFreeMib: row.disk,
  }));
}
