/** Keeps warm pools as full as they should be. Each pool is filled by one server at a time. */
import { sandboxMovesIn, takeAbandoned } from "../db/claims.ts";
import { drainPoolVms } from "../db/pool-vms.ts";
import { poolIds, sumUpDemand } from "../db/pools.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { discardPoolVm } from "../services/pools/discard-pool-vm.ts";
import { fillPool } from "../services/pools/fill-pool.ts";

export async function fillPools(deps: ServiceDeps): Promise<void> {
  // Of a server that died while it filled: nobody waits for it, and another is as good.
  for (const row of await takeAbandoned(deps.db, sandboxMovesIn("filling"), 50, deps.claims.ids())) {
    await discardPoolVm(deps, row);
  }
  await drainPoolVms(deps.db);
  const ids = await poolIds(deps.db);
  if (ids.length > 0) await sumUpDemand(deps.db, new Date(deps.clock.now()));
  for (const id of ids) await fillPool(deps, id);
}
