/** Forgets a host that nothing is on any more. */
import { problem } from "@daytonah/lib/problem.ts";
import { isForeignKeyViolation } from "../db/database-problem.ts";
import { deleteHost } from "../db/hosts.ts";
import type { DbOrTx } from "../db/schema.ts";
import { hostNotFound } from "./host-not-found.ts";

export async function removeHost(db: DbOrTx, hostId: string): Promise<void> {
  try {
    if (await deleteHost(db, hostId)) return;
  } catch (error) {
    if (!isForeignKeyViolation(error)) throw error;
    throw problem("RESOURCE_IN_USE", `The host ${hostId} has sandboxes or snapshots.`, {
      metadata: { used_by: "sandboxes" },
      nextStep: `Drain the host, and delete what stays on it.`,
      cause: error,
    });
  }
  throw hostNotFound(hostId);
}
