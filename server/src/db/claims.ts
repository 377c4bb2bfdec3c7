/** Claims on sandboxes in creating and deleting: which server works on them. They only avoid double work. */
import { sql } from "kysely";
import type { SandboxRow } from "./sandboxes.ts";
import type { DbOrTx } from "./schema.ts";

const next = sql<Date>`clock_timestamp() + interval '5 seconds'`;

export async function renewClaims(db: DbOrTx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await db
    .updateTable("sandboxes")
    .set({ claim_until: next })
    .where("id", "in", ids)
    .where("state", "in", ["creating", "deleting"])
    .execute();
}

/** Gives the work up, so that the next loop or caller can take it at once. */
export async function releaseClaim(db: DbOrTx, id: string): Promise<void> {
  await db
    .updateTable("sandboxes")
    .set({ claim_until: sql<Date>`clock_timestamp()` })
    .where("id", "=", id)
    .where("state", "in", ["creating", "deleting"])
    .execute();
}

/** Takes one whose claim has run out; undefined where it has not, or is done. */
export async function takeClaim(db: DbOrTx, id: string): Promise<SandboxRow | undefined> {
  return db
    .updateTable("sandboxes")
    .set({ claim_until: next })
    .where("id", "=", id)
    .where("state", "in", ["creating", "deleting"])
    .where("claim_until", "<=", sql<Date>`clock_timestamp()`)
    .returningAll()
    .executeTakeFirst();
}

/**
 * Takes what others left. Not what this server holds: after an outage of the database its own claims have run out as
 * well, before they can be renewed. `skip locked`: two servers must not wait on one another.
 */
export async function takeAbandoned(
  db: DbOrTx,
  state: "creating" | "deleting",
  limit: number,
  held: readonly string[],
): Promise<readonly SandboxRow[]> {
  return db
    .updateTable("sandboxes")
    .set({ claim_until: next })
    .where("id", "in", (query) =>
      query
        .selectFrom("sandboxes")
        .select("id")
        .where("state", "=", state)
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
