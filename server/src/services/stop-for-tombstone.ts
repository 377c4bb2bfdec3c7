/** Leaves of a sandbox that is being deleted what it has on disk, so that the delete can be taken back. */
import { VmState } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import { vmLifecycleOf } from "../domain/lifecycle.ts";
import type { ServiceDeps } from "./deps.ts";
import { hostOf } from "./host-of.ts";
import { tellIfThere } from "./tell-access.ts";

/** What is kept of it; undefined where there is nothing to keep. */
export async function stopForTombstone(
  deps: ServiceDeps,
  row: SandboxRow,
): Promise<{ readonly memoryKept: boolean } | undefined> {
  const host = hostOf(deps, row);
  const id = { sandboxId: row.id, epoch: BigInt(row.epoch) };
  // First, so that no call wakes it. An undelete sets its own again.
  const lifecycle = { version: vmLifecycleOf(row).version, deleteAtEnd: false, autoResume: false };
  await tellIfThere(() => host.setVmLifecycle({ ...id, lifecycle }, {}));
  const vm = await host.stopVm(id, {});
  return vm?.state === VmState.PAUSED ? { memoryKept: vm.memoryKept } : undefined;
}
