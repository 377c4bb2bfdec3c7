/** Claims on sandboxes that a server is moving: which server works on them. They only avoid double work. */
import { sql } from "kysely";
import { type ClaimedState, claimedStates } from "../domain/sandbox-state.ts";
import type { SandboxRow } from "./sandboxes.ts";
import type { DbOrTx } from "./schema.ts";

/** How long a claim holds without being renewed. The database's clock counts it. */
export const claimEnd = sql<Date>`clock_timestamp() + interval '5 seconds'`;

export async function renewClaims(db: DbOrTx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await db
    .updateTable("sandboxes")
    .set({ claim_until: claimEnd })
    .where("id", "in", ids)
    .where("state", "in", claimedStates)
    .execute();
}

/** Gives the work up, so that the next loop or caller can take it at once. */
export async function releaseClaim(db: DbOrTx, id: string): Promise<void> {
  await db
    .updateTable("sandboxes")
    .set({ claim_until: sql<Date>`clock_timestamp()` })
    .where("id", "=", id)
    .where("state", "in", claimedStates)
    .execute();
}

/** Takes one whose claim has run out; undefined where it has not, or is done. */
export async function takeClaim(db: DbOrTx, id: string): Promise<SandboxRow | undefined> {
  return db
    .updateTable("sandboxes")
    .set({ claim_until: claimEnd })
    .where("id", "=", id)
    .where("state", "in", claimedStates)
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
  state: ClaimedState,
  limit: number,
  held: readonly string[],
): Promise<readonly SandboxRow[]> {
  return db
    .updateTable("sandboxes")
    .set({ claim_until: claimEnd })
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
