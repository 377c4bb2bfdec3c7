import { problem } from "@daytonah/lib/problem.ts";
import type { VmDeps } from "./vm-deps.ts";

/** Removes a snapshot, also one that is being taken, or moved. Idempotent; VMs made from it stay whole. */
export async function deleteSnapshot({ moves, snapshots }: VmDeps, snapshotId: string): Promise<void> {
  const deleted = problem("SANDBOX_STATE_CONFLICT", "The snapshot was deleted while it was moved.", {
    metadata: { snapshot_id: snapshotId },
  });
  await moves.end({ id: snapshotId, epoch: 0 }, deleted);
  await snapshots.delete(snapshotId);
}
