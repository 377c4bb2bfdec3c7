/** Claims on what a server works at: which one does. They only avoid double work. */
import { type RawBuilder, type Selectable, sql } from "kysely";
import { type ClaimedState, claimedStates } from "../domain/sandbox-state.ts";
import type { DbOrTx, Tables } from "./schema.ts";

/** How long a claim holds without being renewed. The database's clock counts it. */
export const claimEnd = sql<Date>`clock_timestamp() + interval '5 seconds'`;

type ClaimTable = "sandboxes" | "snapshots";

/** One kind of work: where its claims stand, and the rows that it is open on, which a partial index of `until` has. */
interface ClaimKind<T extends ClaimTable = ClaimTable> {
  readonly table: T;
  readonly until: "claim_until" | "transfer_claim_until";
  readonly open: RawBuilder<boolean>;
}

export const sandboxMoves: ClaimKind<"sandboxes"> = {
  ...{ table: "sandboxes", until: "claim_until" },
  open: sql`state in (${sql.join(claimedStates)})`,
};

export const sandboxMovesIn = (state: ClaimedState): ClaimKind<"sandboxes"> => ({
  ...sandboxMoves,
  open: sql`state = ${state}`,
});

export const snapshotMoves: ClaimKind<"snapshots"> = {
  ...{ table: "snapshots", until: "claim_until" },
  open: sql`state in ('creating', 'deleting')`,
};

export const transfers: ClaimKind<"sandboxes"> = {
  ...{ table: "sandboxes", until: "transfer_claim_until" },
  open: sql`transfer is not null`,
};

/** Without those whose sandbox is just moved to another state: other loops are first. */
export const transfersAtRest: ClaimKind<"sandboxes"> = {
  ...transfers,
  open: sql`transfer is not null and state not in ('pausing', 'resuming', 'deleting')`,
};

export const snapshotTransfers: ClaimKind<"snapshots"> = {
  ...{ table: "snapshots", until: "transfer_claim_until" },
  open: sql`transfer is not null`,
};

export async function renewClaims(
  db: DbOrTx,
  { table, until, open }: ClaimKind,
  ids: readonly string[],
): Promise<void> {
  if (ids.length === 0) return;
  await sql`
    update ${sql.table(table)} set ${sql.ref(until)} = ${claimEnd}
    where id in (${sql.join(ids)}) and ${open}`.execute(db);
}

/** Gives the work up, so that the next loop or caller can take it at once. */
export async function releaseClaim(db: DbOrTx, { table, until, open }: ClaimKind, id: string): Promise<void> {
  await sql`
    update ${sql.table(table)} set ${sql.ref(until)} = clock_timestamp() where id = ${id} and ${open}`.execute(db);
}

/** Takes one whose claim has run out; undefined where it has not, or is done. */
export async function takeClaim<T extends ClaimTable>(
  db: DbOrTx,
  { table, until, open }: ClaimKind<T>,
  id: string,
): Promise<Selectable<Tables[T]> | undefined> {
  const { rows } = await sql<Selectable<Tables[T]>>`
    update ${sql.table(table)} set ${sql.ref(until)} = ${claimEnd}
    where id = ${id} and ${open} and ${sql.ref(until)} <= clock_timestamp()
    returning *`.execute(db);
  return rows[0];
}

/**
 * Takes what others left. Not what this server holds: after an outage of the database its own claims have run out as
 * well, before they can be renewed. `skip locked`: two servers must not wait on one another.
 */
export async function takeAbandoned<T extends ClaimTable>(
  db: DbOrTx,
  { table, until, open }: ClaimKind<T>,
  limit: number,
  held: readonly string[],
): Promise<readonly Selectable<Tables[T]>[]> {
  const { rows } = await sql<Selectable<Tables[T]>>`
    update ${sql.table(table)} set ${sql.ref(until)} = ${claimEnd}
    where id in (
      select id from ${sql.table(table)}
      where ${open} and ${sql.ref(until)} <= clock_timestamp() and id <> all(${held as string[]})
      order by ${sql.ref(until)} limit ${limit} for update skip locked
    )
    returning *`.execute(db);
  return rows;
}
