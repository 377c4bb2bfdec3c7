/** Tells the host of a sandbox when it ends or pauses by itself. May be repeated: the host keeps the highest version. */
import { noteLifecycleTold } from "../db/lifecycle.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import { vmLifecycleOf } from "../domain/lifecycle.ts";
import type { ServiceDeps } from "./deps.ts";
import { hostOf } from "./host-of.ts";
import { tell } from "./tell-access.ts";

/** Resolves when the host keeps these times. */
export async function tellLifecycle(deps: ServiceDeps, row: SandboxRow): Promise<void> {
  const lifecycle = vmLifecycleOf(row);
  const id = { sandboxId: row.id, epoch: BigInt(row.epoch) };
  if (await tell(row, () => hostOf(deps, row).setVmLifecycle({ ...id, lifecycle }, {}))) {
    await noteLifecycleTold(deps.db, row);
  }
}
