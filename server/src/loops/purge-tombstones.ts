/** Purges deleted sandboxes whose tombstone's time is over. */
import { takeDueTombstones } from "../db/tombstones.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { purgeSandbox } from "../services/purge-sandbox.ts";
import { repeat } from "./repeat.ts";

export function createPurgeTombstones(deps: ServiceDeps) {
  return {
    run: ({ signal }: { readonly signal: AbortSignal }) =>
      repeat({ name: "purge-tombstones", everyMs: 1_000, clock: deps.clock, log: deps.log, signal }, async () => {
        for (const row of await takeDueTombstones(deps.db, 50)) {
          void deps.background
            .run(purgeSandbox(deps, row))
            .catch((error: unknown) => deps.log.debug("sandbox.purge_delayed", { sandbox: row.id, error }));
        }
      }),
  };
}
