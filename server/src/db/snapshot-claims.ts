/** Claims on snapshots that a server takes or deletes, as claims.ts has them for sandboxes. */
import { sql } from "kysely";
import { claimEnd } from "./claims.ts";
import type { DbOrTx } from "./schema.ts";
import type { SnapshotRow } from "./snapshots.ts";

const open = ["creating", "deleting"] as const;

export async function renewSnapshotClaims(db: DbOrTx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await db
    .updateTable("snapshots")
    .set({ claim_until: claimEnd })
    .where("id", "in", ids)
    .where("state", "in", open)
    .execute();
}

/** Gives the work up, so that the next loop or caller can take it at once. */
export async function releaseSnapshotClaim(db: DbOrTx, id: string): Promise<void> {
  await db
    .updateTable("snapshots")
    .set({ claim_until: sql<Date>`clock_timestamp()` })
    .where("id", "=", id)
    .where("state", "in", open)
    .execute();
}

/** Takes what others left, but not what this server holds. */
export async function takeAbandonedSnapshots(
  db: DbOrTx,
  limit: number,
  held: readonly string[],
): Promise<readonly SnapshotRow[]> {
  return db
    .updateTable("snapshots")
    .set({ claim_until: claimEnd })
    .where("id", "in", (query) =>
      query
        .selectFrom("snapshots")
        .select("id")
        .where("state", "in", open)
        .where("claim_until", "<=", sql<Date>`clock_timestamp()`)
        .where(sql<boolean>`id <> all(${held as string[]})`)
        .orderBy("claim_until")
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .returningAll()
    .execute();
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
