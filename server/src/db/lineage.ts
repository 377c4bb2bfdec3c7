/** Where sandboxes come from. A sandbox and what was made of it are of one organization. */
import { sql } from "kysely";
import type { SandboxRow } from "./sandboxes.ts";
import type { DbOrTx } from "./schema.ts";

export type Relative = Pick<SandboxRow, "id" | "state" | "snapshot_id" | "fork_id" | "create_time">;

/** The parent, the parent's parent and so on. */
export async function ancestorsOf(db: DbOrTx, id: string, limit: number): Promise<readonly Relative[]> {
  const { rows } = await sql<Relative>`
    with recursive line as (
      select id, state, snapshot_id, fork_id, create_time, parent_id, 0 as depth from sandboxes where id = ${id}
      union all
      select s.id, s.state, s.snapshot_id, s.fork_id, s.create_time, s.parent_id, line.depth + 1
      from sandboxes s join line on s.id = line.parent_id where line.depth < ${limit}
    )
    select id, state, snapshot_id, fork_id, create_time from line where depth > 0 order by depth`.execute(db);
  return rows;
}

/** Oldest first. */
export async function childrenOf(db: DbOrTx, id: string, limit: number): Promise<readonly Relative[]> {
  return db
    .selectFrom("sandboxes")
    .select(["id", "state", "snapshot_id", "fork_id", "create_time"])
    .where("parent_id", "=", id)
    .orderBy("create_time")
    .orderBy("id")
    .limit(limit)
    .execute();
}
