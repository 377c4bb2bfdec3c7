/** What organizations may have at most, and whether more would be too much. */
import { sql } from "kysely";
import type { OrganizationRow } from "./organizations.ts";
import type { DbOrTx } from "./schema.ts";

export type Quota = "sandboxes" | "vcpus" | "memory_mib";

/** What is about to be taken. */
export interface More {
  readonly sandboxes: number;
  /** Of sandboxes that run. */
  readonly vcpus: number;
  readonly memoryMib: number;
}

export interface Excess {
  readonly quota: Quota;
  readonly used: number;
  readonly limit: number;
}

/** Null: no limit. */
export type Limits = Pick<OrganizationRow, "max_sandboxes" | "max_vcpus" | "max_memory_mib">;

/** The first quota that this would go beyond. Inside a transaction: see migration 0013. */
export async function exceededQuota(tx: DbOrTx, orgId: string, more: More): Promise<Excess | undefined> {
  const { sandboxes, vcpus, memoryMib } = more;
  const { rows } = await sql<{ excess: Excess | null }>`
    select exceeded_quota(${orgId}, ${sandboxes}, ${vcpus}, ${memoryMib}) as excess`.execute(tx);
  return rows[0]?.excess ?? undefined;
}

/** Undefined where there is no such organization. What is in use stays, also where it is more. */
export async function setLimits(db: DbOrTx, orgId: string, limits: Limits): Promise<OrganizationRow | undefined> {
  return db.updateTable("organizations").set(limits).where("id", "=", orgId).returningAll().executeTakeFirst();
}
