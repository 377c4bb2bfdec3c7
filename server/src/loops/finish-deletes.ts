/** Finishes the deletes that a server left when it died, or that a silent host left open. */
import { sandboxMovesIn, takeAbandoned } from "../db/claims.ts";
import { finishDelete } from "../services/delete-sandbox.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { repeat } from "./repeat.ts";

export function createFinishDeletes(deps: ServiceDeps) {
  return {
    run: ({ signal }: { readonly signal: AbortSignal }) =>
      repeat({ name: "finish-deletes", everyMs: 1_000, clock: deps.clock, log: deps.log, signal }, () =>
        finishDeletes(deps),
      ),
  };
}

/** One turn; exported for tests. */
export async function finishDeletes(deps: ServiceDeps): Promise<void> {
  const rows = await takeAbandoned(deps.db, sandboxMovesIn("deleting"), 50, deps.claims.ids());
  for (const row of rows) {
    void deps.background
      .run(finishDelete(deps, row))
      .catch((error: unknown) => deps.log.debug("sandbox.delete_delayed", { sandbox: row.id, error }));
  }
}
