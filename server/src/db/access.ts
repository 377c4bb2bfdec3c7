/** Who may reach a sandbox: its labels aside, all that its owner changes while it lives. */
import { sql } from "kysely";
import type { SandboxState } from "../domain/sandbox-state.ts";
import type { SandboxRow } from "./sandboxes.ts";
import type { DbOrTx } from "./schema.ts";

/** Its VM may be there, or be woken by its host, so that one must hear of every change. */
export const reachableStates = ["running", "pausing", "paused", "lost"] as const satisfies readonly SandboxState[];

/** Keeps other changes of this sandbox waiting until the transaction ends. */
export async function lockSandbox(tx: DbOrTx, orgId: string, id: string): Promise<SandboxRow | undefined> {
  return tx
    .selectFrom("sandboxes")
    .selectAll()
    .where("id", "=", id)
    .where("org_id", "=", orgId)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

/** Ends the present access token. The row is locked. */
export async function raiseTokenGeneration(tx: DbOrTx, id: string): Promise<SandboxRow> {
  return tx
    .updateTable("sandboxes")
    .set({
      token_generation: sql<number>`token_generation + 1`,
      access_version: sql<number>`access_version + 1`,
    })
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** The row is locked. */
export async function setPublicPorts(tx: DbOrTx, id: string, ports: readonly number[]): Promise<SandboxRow> {
  return tx
    .updateTable("sandboxes")
    .set({ public_ports: ports, access_version: sql<number>`access_version + 1` })
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Its host has this version, or a newer one. */
export async function noteAccessTold(db: DbOrTx, { id, access_version }: SandboxRow): Promise<void> {
  await db
    .updateTable("sandboxes")
    .set({ access_told: access_version })
    .where("id", "=", id)
    .where("access_told", "<", access_version)
    .execute();
}

/** Changes that their hosts, of these, have not been told of. */
export async function untoldSandboxes(
  db: DbOrTx,
  hostIds: readonly string[],
  limit: number,
): Promise<readonly SandboxRow[]> {
  if (hostIds.length === 0) return [];
  return db
    .selectFrom("sandboxes")
    .selectAll()
    .where("host_id", "in", hostIds)
    .where("state", "in", reachableStates)
    .where((where) =>
      where.or([
        where("access_told", "<", where.ref("access_version")),
        where("lifecycle_told", "<", where.ref("lifecycle_version")),
      ]),
    )
    .limit(limit)
    .execute();
}

/**
 * The host is ahead: the database is an older one than the host. It takes no version at or below its own, so ours goes above
 * it. Undefined where another server was faster.
 */
export async function raiseVersion(
  db: DbOrTx,
  id: string,
  column: "access_version" | "lifecycle_version",
  above: number,
): Promise<SandboxRow | undefined> {
  return db
    .updateTable("sandboxes")
    .set({ [column]: above + 1 })
    .where("id", "=", id)
    .where(column, "<=", above)
    .returningAll()
    .executeTakeFirst();
}
