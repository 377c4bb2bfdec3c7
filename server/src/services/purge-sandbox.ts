/** Ends a tombstone: what a deleted sandbox had is removed from its host. */

import type { SandboxRow } from "../db/sandboxes.ts";
import { forgetTombstone } from "../db/tombstones.ts";
import type { ServiceDeps } from "./deps.ts";
import { hostOf } from "./host-of.ts";

/** The tombstone is taken by us. May be repeated after a crash. */
export async function purgeSandbox(deps: ServiceDeps, row: SandboxRow): Promise<void> {
  await hostOf(deps, row).deleteVm({ sandboxId: row.id, epoch: BigInt(row.epoch) }, {});
  await forgetTombstone(deps.db, row);
}
