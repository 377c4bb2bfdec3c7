/** Ends a VM that can't wait in its pool any more. Where that can't be finished now, the loop finish-deletes does it. */
import type { SandboxRow } from "../../db/sandboxes.ts";
import { finishDelete } from "../delete-sandbox.ts";
import type { ServiceDeps } from "../deps.ts";
import { move } from "../move.ts";

export async function discardPoolVm(deps: ServiceDeps, row: SandboxRow): Promise<void> {
  const moved = await move(deps, { id: row.id, epoch: row.epoch, to: "deleting", from: ["filling", "pooled"] });
  if (!moved) return; // claimed, or another server was as fast
  deps.log.info("pool.vm_discarded", { sandbox: row.id, host: row.host_id });
  void deps.background
    .run(finishDelete(deps, moved))
    .catch((error: unknown) => deps.log.debug("sandbox.delete_delayed", { sandbox: row.id, error }));
}
