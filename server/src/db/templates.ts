/** Rows of templates: names for snapshots. */
import { sql } from "kysely";
import type { DbOrTx } from "./schema.ts";
import type { SnapshotRow } from "./snapshots.ts";

/** The name stands for this snapshot from now on; the one before it is needed no longer. Inside a transaction. */
export async function setTemplate(tx: DbOrTx, snapshot: SnapshotRow): Promise<void> {
  const { org_id, template_name: name, template_description: description, id: snapshot_id } = snapshot;
  if (name === null) return;
  const content = { description: description ?? "", snapshot_id };
  await tx
    .insertInto("templates")
    .values({ org_id, name, ...content })
    .onConflict((conflict) =>
      conflict.columns(["org_id", "name"]).doUpdateSet({ ...content, create_time: sql<Date>`clock_timestamp()` }),
    )
    .execute();
}

/** The snapshot that it stands on; undefined where there was none. */
export async function dropTemplate(db: DbOrTx, orgId: string, name: string): Promise<string | undefined> {
  const row = await db
    .deleteFrom("templates")
    .where("org_id", "=", orgId)
    .where("name", "=", name)
    .returning("snapshot_id")
    .executeTakeFirst();
  return row?.snapshot_id;
}

/** The snapshot of an organization's template, which keeps its name until the transaction ends. */
export async function lockTemplate(tx: DbOrTx, orgId: string, name: string): Promise<string | undefined> {
  const row = await tx
    .selectFrom("templates")
    .select("snapshot_id")
    .where("org_id", "=", orgId)
    .where("name", "=", name)
    .forShare()
    .executeTakeFirst();
  return row?.snapshot_id;
}

export async function templateOn(db: DbOrTx, snapshotId: string): Promise<string | undefined> {
  const row = await db.selectFrom("templates").select("name").where("snapshot_id", "=", snapshotId).executeTakeFirst();
  return row?.name;
}

/** By name, with what they stand on. */
export async function listOwnTemplates(db: DbOrTx, orgId: string, after: string, limit: number) {
  return db
    .selectFrom("templates")
    .innerJoin("snapshots", "snapshots.id", "templates.snapshot_id")
    .selectAll("snapshots")
    .where("templates.org_id", "=", orgId)
    .where("templates.name", ">", after)
    .orderBy("templates.name")
    .limit(limit)
    .execute();
}
