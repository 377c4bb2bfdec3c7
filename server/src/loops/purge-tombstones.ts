/** Purges deleted sandboxes whose tombstone's time is over. */
import { takeDueTombstones } from "../db/tombstones.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { purgeSandbox } from "../services/purge-sandbox.ts";

export async function purgeTombstones(deps: ServiceDeps): Promise<void> {
  for (const row of await takeDueTombstones(deps.db, 50)) {
    void deps.background
      .run(purgeSandbox(deps, row))
      .catch((error: unknown) => deps.log.debug("sandbox.purge_delayed", { sandbox: row.id, error }));
  }
}
