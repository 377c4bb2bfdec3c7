/** Rows of sandboxes: how they are made and found. move-sandbox.ts moves them. */
import { type Selectable, sql } from "kysely";
import type { Lifecycle } from "../domain/lifecycle.ts";
import type { SandboxState } from "../domain/sandbox-state.ts";
import { claimEnd } from "./claims.ts";
import { forgetKeysOf } from "./idempotency.ts";
import type { DbOrTx, Tables } from "./schema.ts";

export type SandboxRow = Selectable<Tables["sandboxes"]>;

export interface NewSandbox {
  readonly id: string;
  readonly orgId: string;
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly hostId: string;
  readonly hardwareIsolated: boolean;
  readonly keyed: boolean;
  readonly lifecycle: Lifecycle;
  readonly origin?: Origin;
}

/** What it starts from instead of its template. */
export interface Origin {
  /** Absent for a template's. */
  readonly parentId?: string;
  /** A snapshot that users see, or that of a fork. */
  readonly snapshotId: string;
  readonly forked: boolean;
}

/** In state creating, claimed, with its event. Inside a transaction. */
export async function insertSandbox(tx: DbOrTx, sandbox: NewSandbox): Promise<SandboxRow> {
  const { origin } = sandbox;
  const row = await tx
    .insertInto("sandboxes")
    .values({
      id: sandbox.id,
      org_id: sandbox.orgId,
      state: "creating",
      epoch: 1,
      template: sandbox.template,
      vcpus: sandbox.vcpus,
      memory_mib: sandbox.memoryMib,
      disk_mib: sandbox.diskMib,
      metadata: JSON.stringify(sandbox.metadata),
      env: JSON.stringify(sandbox.env),
      host_id: sandbox.hostId,
      hardware_isolated: sandbox.hardwareIsolated,
      keyed: sandbox.keyed,
      timeout_ms: sandbox.lifecycle.timeoutMs,
      end_time: sql<Date | null>`clock_timestamp() + ${sandbox.lifecycle.timeoutMs}::bigint * interval '1 ms'`,
      on_timeout: sandbox.lifecycle.onTimeout,
      idle_timeout_ms: sandbox.lifecycle.idleTimeoutMs,
      auto_resume: sandbox.lifecycle.autoResume,
      parent_id: origin?.parentId ?? null,
      snapshot_id: origin?.forked === false ? origin.snapshotId : null,
      fork_id: origin?.forked === true ? origin.snapshotId : null,
      claim_until: claimEnd,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  await insertEvent(tx, sandbox.orgId, row, origin?.parentId ? { parent_id: origin.parentId } : {});
  return row;
}

/**
 * Takes back a create that its host refused, as if it had not been: the row and its keys. Inside a transaction. False
 * where someone else was faster. Its failure may have come over the host's stream before: this one is newer.
 */
export async function refuseSandbox(tx: DbOrTx, row: SandboxRow, reason: string): Promise<boolean> {
  const { rows } = await sql`
    with refused as (
      delete from sandboxes
      where id = ${row.id} and epoch = ${row.epoch}
        and (state = 'creating' or (state = 'failed' and failure_reason = ${reason} and host_id is null))
      returning org_id, id, epoch
    )
    insert into events (org_id, sandbox_id, kind, epoch, data)
    select org_id, id, 'sandbox.refused', epoch, ${JSON.stringify({ reason })}::jsonb from refused
    returning id`.execute(tx);
  if (rows.length === 0) return false;
  if (row.keyed && row.org_id !== null) await forgetKeysOf(tx, row.org_id, row.id);
  return true;
}

async function insertEvent(
  tx: DbOrTx,
  orgId: string,
  row: SandboxRow,
  data: Readonly<Record<string, string>>,
  kind: string = row.state,
): Promise<void> {
  await tx
    .insertInto("events")
    .values({
      org_id: orgId,
      sandbox_id: row.id,
      kind: `sandbox.${kind}`,
      epoch: row.epoch,
      data: JSON.stringify(data),
    })
    .execute();
}

/** An organization's own sandbox, also a deleted one. */
export async function sandboxOf(db: DbOrTx, orgId: string, id: string): Promise<SandboxRow | undefined> {
  return db.selectFrom("sandboxes").selectAll().where("id", "=", id).where("org_id", "=", orgId).executeTakeFirst();
}

/** For our own work, whichever organization's. */
export async function sandboxById(db: DbOrTx, id: string): Promise<SandboxRow | undefined> {
  return db.selectFrom("sandboxes").selectAll().where("id", "=", id).executeTakeFirst();
}

export interface SandboxFilter {
  readonly orgId: string;
  /** All but deleted where empty. */
  readonly states: readonly SandboxState[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Only those after this one. */
  readonly after: { readonly createTime: Date; readonly id: string } | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function listSandboxes(db: DbOrTx, filter: SandboxFilter): Promise<readonly SandboxRow[]> {
  return listQuery(db, filter).execute();
}

/** Exported for the test that looks at its plan. */
export function listQuery(db: DbOrTx, filter: SandboxFilter) {
  const { after } = filter;
  return db
    .selectFrom("sandboxes")
    .selectAll()
    .where("org_id", "=", filter.orgId)
    .$if(filter.states.length > 0, (query) => query.where("state", "in", filter.states))
    .$if(filter.states.length === 0, (query) => query.where("state", "<>", "deleted"))
    .$if(Object.keys(filter.metadata).length > 0, (query) =>
      query.where(sql<boolean>`metadata @> ${JSON.stringify(filter.metadata)}::jsonb`),
    )
    .$if(after !== undefined, (query) =>
      query.where(sql<boolean>`(create_time, id) < (${after?.createTime}, ${after?.id})`),
    )
    .orderBy("create_time", "desc")
    .orderBy("id", "desc")
    .limit(filter.limit);
}

/** What a host should have, or has had and not given back. */
export async function sandboxesOnHost(db: DbOrTx, hostId: string): Promise<readonly SandboxRow[]> {
  return db.selectFrom("sandboxes").selectAll().where("host_id", "=", hostId).where("state", "<>", "deleted").execute();
}

export async function sandboxesById(db: DbOrTx, ids: readonly string[]): Promise<readonly SandboxRow[]> {
  if (ids.length === 0) return [];
  return db.selectFrom("sandboxes").selectAll().where("id", "in", ids).execute();
}

/** Running sandboxes of hosts that were silent for longer than this. Several servers look: seen_time is the newest of all. */
export async function sandboxesOnSilentHosts(
  db: DbOrTx,
  silentMs: number,
  leaseMarginMs: number,
): Promise<readonly SandboxRow[]> {
  return db
    .selectFrom("sandboxes")
    .innerJoin("hosts", "hosts.id", "sandboxes.host_id")
    .selectAll("sandboxes")
    .where("sandboxes.state", "=", "running")
    .where(sql<boolean>`hosts.seen_time < clock_timestamp() - make_interval(secs => ${silentMs / 1000})`)
    .where(
      sql<boolean>`coalesce(hosts.lease_until < clock_timestamp() - make_interval(secs => ${leaseMarginMs / 1000}), true)`,
    )
    .execute();
}

export async function countSandboxesByState(db: DbOrTx): Promise<readonly { state: SandboxState; count: number }[]> {
  return db
    .selectFrom("sandboxes")
    .select(["state", sql<number>`count(*)::int`.as("count")])
    .where("state", "<>", "deleted")
    .groupBy("state")
    .execute();
}

/** Of a fork, in the order they were made. */
export async function childrenOfFork(db: DbOrTx, forkId: string): Promise<readonly SandboxRow[]> {
  return db
    .selectFrom("sandboxes")
    .selectAll()
    .where("fork_id", "=", forkId)
    .orderBy("create_time")
    .orderBy("id")
    .execute();
}

export async function noteForked(tx: DbOrTx, orgId: string, parent: SandboxRow, children: number): Promise<void> {
  await insertEvent(tx, orgId, parent, { children: String(children) }, "forked");
}
