/** Rows of snapshots, and the one way to move them. */
import { type Selectable, sql } from "kysely";
import { type SnapshotState, snapshotSourcesOf } from "../domain/snapshot-state.ts";
import { claimEnd } from "./claims.ts";
import type { SandboxRow } from "./sandboxes.ts";
import type { DbOrTx, Tables } from "./schema.ts";

export type SnapshotRow = Selectable<Tables["snapshots"]>;

export interface NewSnapshot {
  readonly id: string;
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Of a fork: nobody sees it, and it goes as soon as the children run. */
  readonly internal: boolean;
  readonly keyed: boolean;
  /** That is to stand on it. */
  readonly template?: { readonly name: string; readonly description: string } | undefined;
}

/** In state creating, claimed, with its event. Undefined while another one of the sandbox is being taken. Inside a transaction. */
export async function insertSnapshot(
  tx: DbOrTx,
  sandbox: SandboxRow & { readonly org_id: string; readonly host_id: string },
  snapshot: NewSnapshot,
): Promise<SnapshotRow | undefined> {
  const row = await tx
    .insertInto("snapshots")
    .values({
      ...{ id: snapshot.id, org_id: sandbox.org_id, name: snapshot.name, state: "creating" },
      ...{ sandbox_id: sandbox.id, sandbox_epoch: sandbox.epoch, host_id: sandbox.host_id },
      ...{ internal: snapshot.internal, keyed: snapshot.keyed, template: sandbox.template },
      ...{ vcpus: sandbox.vcpus, memory_mib: sandbox.memory_mib, disk_mib: sandbox.disk_mib },
      metadata: JSON.stringify(snapshot.metadata),
      ...{ template_name: snapshot.template?.name, template_description: snapshot.template?.description },
      claim_until: claimEnd,
    })
    .onConflict((conflict) => conflict.column("sandbox_id").where("state", "=", "creating").doNothing())
    .returningAll()
    .executeTakeFirst();
  if (row && !row.internal) {
    await tx
      .insertInto("events")
      .values({
        ...{ org_id: row.org_id, sandbox_id: row.sandbox_id, kind: "snapshot.creating", epoch: row.sandbox_epoch },
        data: JSON.stringify({ snapshot_id: row.id }),
      })
      .execute();
  }
  return row;
}

export type SnapshotMove = { readonly id: string; readonly from?: readonly SnapshotState[] } & (
  | { readonly to: "ready"; readonly sizeBytes: bigint; readonly memoryKept: boolean }
  | { readonly to: "deleting" | "deleted" }
);

/** Compare-and-set: the row after the move, or undefined where it was in no state that allows it, or moves to another host. */
export async function moveSnapshot(db: DbOrTx, move: SnapshotMove): Promise<SnapshotRow | undefined> {
  const sources = snapshotSourcesOf(move.to).filter((from) => move.from?.includes(from) ?? true);
  const { rows } = await sql<SnapshotRow>`
    with moved as (
      update snapshots set
        state = ${move.to},
        size_bytes = ${move.to === "ready" ? String(move.sizeBytes) : sql`size_bytes`},
        memory_kept = ${move.to === "ready" ? move.memoryKept : sql`memory_kept`},
        claim_until = ${move.to === "deleting" ? claimEnd : sql`null`}
      where id = ${move.id} and state = any(${sources as SnapshotState[]})
        and (transfer is null or ${move.to} <> 'deleting')
      returning *
    ), told as (
      insert into events (org_id, sandbox_id, kind, epoch, data)
      select org_id, sandbox_id, 'snapshot.' || state, sandbox_epoch, jsonb_build_object('snapshot_id', id)
      from moved where not internal
    )
    select * from moved`.execute(db);
  return rows[0];
}

/** An organization's own, also a deleted one; none that is internal. */
export async function snapshotOf(db: DbOrTx, orgId: string, id: string): Promise<SnapshotRow | undefined> {
  return db
    .selectFrom("snapshots")
    .selectAll()
    .where("id", "=", id)
    .where("org_id", "=", orgId)
    .where("internal", "=", false)
    .executeTakeFirst();
}

/** For our own work. */
export async function snapshotById(db: DbOrTx, id: string): Promise<SnapshotRow | undefined> {
  return db.selectFrom("snapshots").selectAll().where("id", "=", id).executeTakeFirst();
}

/** One that sandboxes can be made from; it stays so until the transaction ends. */
export async function lockReadySnapshot(tx: DbOrTx, orgId: string, id: string): Promise<SnapshotRow | undefined> {
  return tx
    .selectFrom("snapshots")
    .selectAll()
    .where("id", "=", id)
    .where("org_id", "=", orgId)
    .where("internal", "=", false)
    .where("state", "=", "ready")
    .forShare()
    .executeTakeFirst();
}

/** A sandbox that is being made from it, or put back to it, so that it can't be deleted now. Nobody begins another while the snapshot is locked. */
export async function sandboxMadeFrom(tx: DbOrTx, snapshotId: string): Promise<string | undefined> {
  await tx.selectFrom("snapshots").select("id").where("id", "=", snapshotId).forUpdate().execute();
  const row = await tx
    .selectFrom("sandboxes")
    .select("id")
    .where(({ or, and, eb }) =>
      or([
        and([eb("snapshot_id", "=", snapshotId), eb("state", "=", "creating")]),
        and([eb("roll_back_to", "=", snapshotId), eb("state", "=", "resuming")]),
      ]),
    )
    .limit(1)
    .executeTakeFirst();
  return row?.id;
}

export interface SnapshotFilter {
  readonly orgId: string;
  /** Of any where empty. */
  readonly sandboxId: string;
  /** Only those after this one. */
  readonly after: { readonly createTime: Date; readonly id: string } | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function listSnapshots(db: DbOrTx, { orgId, sandboxId, after, limit }: SnapshotFilter) {
  return db
    .selectFrom("snapshots")
    .selectAll()
    .where("org_id", "=", orgId)
    .where("internal", "=", false)
    .where("state", "<>", "deleted")
    .$if(sandboxId !== "", (query) => query.where("sandbox_id", "=", sandboxId))
    .$if(after !== undefined, (query) =>
      query.where(sql<boolean>`(create_time, id) < (${after?.createTime}, ${after?.id})`),
    )
    .orderBy("create_time", "desc")
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
}

/** What a host should have, or has not yet confirmed to be gone. */
export async function snapshotsOnHost(db: DbOrTx, hostId: string): Promise<readonly SnapshotRow[]> {
  return db.selectFrom("snapshots").selectAll().where("host_id", "=", hostId).where("state", "<>", "deleted").execute();
}

export async function snapshotsById(db: DbOrTx, ids: readonly string[]): Promise<readonly SnapshotRow[]> {
  if (ids.length === 0) return [];
  return db.selectFrom("snapshots").selectAll().where("id", "in", ids).execute();
}

/** Those of forks whose children are all made, or given up, and those of templates that now have another one, or are deleted. */
export async function unneededSnapshots(db: DbOrTx, limit: number): Promise<readonly SnapshotRow[]> {
  return db
    .selectFrom("snapshots")
    .selectAll()
    .where("state", "=", "ready")
    .where(({ or, and, eb, not, exists, selectFrom }) => {
      const children = selectFrom("sandboxes")
        .select("sandboxes.id")
        .whereRef("sandboxes.fork_id", "=", "snapshots.id")
        .where("sandboxes.state", "=", "creating");
      const standing = selectFrom("templates")
        .select("templates.name")
        .whereRef("templates.snapshot_id", "=", "snapshots.id");
      return or([
        and([eb("internal", "=", true), not(exists(children))]),
        and([eb("template_name", "is not", null), not(exists(standing))]),
      ]);
    })
    .limit(limit)
    .execute();
}
