/** Ends the copying of a sandbox at the copy that its row names: that one may be woken, and the other one goes. */
import { problemOf } from "@daytonah/lib/problem.ts";
import type { SandboxRow } from "../../db/sandboxes.ts";
import { endLanding } from "../../db/transfers.ts";
import type { ServiceDeps } from "../deps.ts";
import { hostOf } from "../host-of.ts";
import { tellAccess } from "../tell-access.ts";
import { tellLifecycle } from "../tell-lifecycle.ts";

/** The row is landing. May be repeated. Undefined where that is not over yet, or someone else was faster. */
export async function landTransfer(deps: ServiceDeps, row: SandboxRow): Promise<SandboxRow | undefined> {
  await openCopy(deps, row);
  await removeOther(deps, row);
  const landed = await endLanding(deps.db, row);
  deps.onMoved(row.id);
  return landed;
}

/** What changed while it was copied first, so that nobody gets in, or wakes it, by what was true before. */
async function openCopy(deps: ServiceDeps, row: SandboxRow): Promise<void> {
  try {
    await tellAccess(deps, row);
    await tellLifecycle(deps, row);
    await hostOf(deps, row).unsealVm({ sandboxId: row.id, epoch: BigInt(row.epoch) }, {});
  } catch (error) {
    const answered = problemOf(error) !== undefined && problemOf(error)?.reason !== "HOST_UNAVAILABLE";
    const over = row.state === "deleting" || row.state === "failed";
    if (!answered || !over) throw error;
  }
}

/** Where its host does not answer, its list is held against the row when it is back. */
async function removeOther(deps: ServiceDeps, row: SandboxRow): Promise<void> {
  const { id: sandboxId, transfer_host_id: hostId, transfer_epoch } = row;
  if (hostId === null) return; // that host was removed
  try {
    const other = hostOf(deps, { id: sandboxId, host_id: hostId });
    await other.deleteVm({ sandboxId, epoch: BigInt(transfer_epoch) }, {});
  } catch (error) {
    deps.log.warn("vm.cleanup_delayed", { sandbox: sandboxId, host: hostId, error });
  }
}
