/** Finishes the deletes that a server left when it died, or that a silent host left open. */
import { sandboxMovesIn, takeAbandoned } from "../db/claims.ts";
import { finishDelete } from "../services/delete-sandbox.ts";
import type { ServiceDeps } from "../services/deps.ts";

export async function finishDeletes(deps: ServiceDeps): Promise<void> {
  const rows = await takeAbandoned(deps.db, sandboxMovesIn("deleting"), 50, deps.claims.ids());
  for (const row of rows) {
    void deps.background
      .run(finishDelete(deps, row))
      .catch((error: unknown) => deps.log.debug("sandbox.delete_delayed", { sandbox: row.id, error }));
  }
}
