/** Rows of hosts, and how much room each has. */
import { type Selectable, sql } from "kysely";
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
  readonly cpuClass: string;
  readonly memoryShared: boolean;
  readonly diskShared: boolean;
}

/** What the host said of itself, just now. One that was removed meanwhile stays so. */
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
    cpu_class: report.cpuClass,
    memory_shared: report.memoryShared,
    disk_shared: report.diskShared,
    template_disks: JSON.stringify(Object.fromEntries(report.templates.map(({ name, diskMib }) => [name, diskMib]))),
  };
  const seen = sql<Date>`clock_timestamp()`;
  await db
    .updateTable("hosts")
    .set({ ...columns, seen_time: seen })
    .where("id", "=", report.id)
    .execute();
}

export interface AdmittedHost {
  readonly id: string;
  /** Origin of its daemon. */
  readonly url: string;
  readonly tlsName: string;
}

/** From now on servers follow it. False where there is one of this id, unless it may join `again`. Inside a transaction. */
export async function admitHost(
  tx: DbOrTx,
  { id, url, tlsName, again }: AdmittedHost & { readonly again: boolean },
): Promise<boolean> {
  const unknown = { architecture: "", driver: "", hardware_isolated: false, version: "", instance_id: "" };
  const row = await tx
    .insertInto("hosts")
    .values({
      ...{ id, url, ...unknown, state: "unreachable", tls_name: tlsName },
      ...{ vcpus: 0, memory_mib: 0, disk_free_mib: 0, templates: "[]" },
    })
    .onConflict((conflict) =>
      conflict.column("id").doUpdateSet({ url, tls_name: tlsName }).where(sql<boolean>`${again}`),
    )
    .returning("id")
    .executeTakeFirst();
  return row !== undefined;
}

/** The hosts that servers follow. */
export async function admittedHosts(db: DbOrTx): Promise<readonly AdmittedHost[]> {
  return db
    .selectFrom("hosts")
    .select(["id", "url", "tls_name as tlsName"])
    .where("url", "<>", "")
    .orderBy("id")
    .execute();
}

/** False where there is none. Throws a foreign key's violation where something is on it still. Inside a transaction. */
export async function deleteHost(db: DbOrTx, id: string): Promise<boolean> {
  await db
    .updateTable("snapshots")
    .set({ host_id: null })
    .where("host_id", "=", id)
    .where("state", "=", "deleted")
    .execute();
  const { numDeletedRows } = await db.deleteFrom("hosts").where("id", "=", id).executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Its name where the caller may renew its certificate now: for a minute no other server does. */
export async function claimCertificate(db: DbOrTx, id: string): Promise<string | undefined> {
  const row = await db
    .updateTable("hosts")
    .set({ certificate_claim_until: sql<Date>`clock_timestamp() + interval '1 minute'` })
    .where("id", "=", id)
    .where(sql<boolean>`coalesce(certificate_claim_until <= clock_timestamp(), true)`)
    .returning("tls_name")
    .executeTakeFirst();
  return row?.tls_name;
}

/** It refused so much: until it says anew what is free, others are chosen for that. */
export async function noteDiskFull(db: DbOrTx, hostId: string, refusedMib: number): Promise<void> {
  await db
    .updateTable("hosts")
    .set({ disk_free_mib: sql`least(disk_free_mib, ${refusedMib - 1})` })
    .where("id", "=", hostId)
    .execute();
}

/** Those of these hosts whose lease the caller is to renew: it ends in less than `renewBelowMs`, and now in `leaseMs`. */
export async function extendLeases(
  db: DbOrTx,
  ids: readonly string[],
  { leaseMs, renewBelowMs }: { readonly leaseMs: number; readonly renewBelowMs: number },
): Promise<readonly string[]> {
  if (ids.length === 0) return [];
  const after = (ms: number) => sql<Date>`clock_timestamp() + make_interval(secs => ${ms / 1000})`;
  const rows = await db
    .updateTable("hosts")
    .set({ lease_until: after(leaseMs) })
    .where("id", "in", ids)
    .where(sql<boolean>`coalesce(lease_until < ${after(renewBelowMs)}, true)`)
    .returning("id")
    .execute();
  return rows.map(({ id }) => id);
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

/** With what is on it, or has still to be removed from it. */
export interface ListedHost extends HostRow {
  readonly sandboxes: number;
  readonly memory_used_mib: string;
  readonly snapshots: number;
  /** Deleted sandboxes that can be taken back. */
  readonly tombstones: number;
}

export async function listHosts(db: DbOrTx, after: string, limit: number): Promise<readonly ListedHost[]> {
  return listed(db).where("id", ">", after).orderBy("id").limit(limit).execute();
}

export async function listedHost(db: DbOrTx, id: string): Promise<ListedHost | undefined> {
  return listed(db).where("id", "=", id).executeTakeFirst();
}

function listed(db: DbOrTx) {
  return db
    .selectFrom("hosts")
    .innerJoin("host_loads", "host_loads.host_id", "hosts.id")
    .selectAll("hosts")
    .select("host_loads.memory_mib as memory_used_mib")
    .select([
      sql<number>`host_loads.sandboxes + ${leaving("sandboxes")}`.as("sandboxes"),
      sql<number>`(select count(*)::int from snapshots n where n.host_id = hosts.id and n.state <> 'deleted') + ${leaving("snapshots")}`.as(
        "snapshots",
      ),
      sql<number>`(select count(*)::int from sandboxes s where s.host_id = hosts.id and s.state = 'deleted')`.as(
        "tombstones",
      ),
    ]);
}

/** Those that are on another host already, but have still to be removed from this one. */
function leaving(table: "sandboxes" | "snapshots") {
  return sql`(select count(*)::int from ${sql.table(table)} where transfer = 'landing' and transfer_host_id = hosts.id)`;
}

export async function readyHosts(db: DbOrTx): Promise<readonly HostRow[]> {
  return db.selectFrom("hosts").selectAll().where("state", "=", "ready").orderBy("id").execute();
}

export async function hostById(db: DbOrTx, id: string): Promise<HostRow | undefined> {
  return db.selectFrom("hosts").selectAll().where("id", "=", id).executeTakeFirst();
}
