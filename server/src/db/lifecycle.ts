/** When a sandbox ends by itself, and what its host knows of that. */
import { sql } from "kysely";
import type { SandboxRow } from "./sandboxes.ts";
import type { DbOrTx } from "./schema.ts";

export interface TimeoutChange {
  readonly orgId: string;
  readonly id: string;
  /** Counted from now; null: it never ends. */
  readonly timeoutMs: number | null;
  readonly extendOnly: boolean;
}

/** Undefined where it is not running, or `extendOnly` and its end is no earlier already. */
export async function changeTimeout(db: DbOrTx, change: TimeoutChange): Promise<SandboxRow | undefined> {
  const end = sql<Date | null>`clock_timestamp() + ${change.timeoutMs}::bigint * interval '1 ms'`;
  const never = sql`'infinity'::timestamptz`;
  return db
    .updateTable("sandboxes")
    .set({
      timeout_ms: change.timeoutMs,
      end_time: end,
      lifecycle_version: sql<number>`lifecycle_version + 1`,
    })
    .where("id", "=", change.id)
    .where("org_id", "=", change.orgId)
    .where("state", "=", "running")
    .$if(change.extendOnly, (query) =>
      query.where(sql<boolean>`coalesce(end_time, ${never}) < coalesce(${end}, ${never})`),
    )
    .returningAll()
    .executeTakeFirst();
}

/** Its host has this version, or a newer one. */
export async function noteLifecycleTold(db: DbOrTx, { id, lifecycle_version }: SandboxRow): Promise<void> {
  await db
    .updateTable("sandboxes")
    .set({ lifecycle_told: lifecycle_version })
    .where("id", "=", id)
    .where("lifecycle_told", "<", lifecycle_version)
    .execute();
}
