/** Finishes the snapshots that a server left when it died, and deletes those of forks and templates that are done. */
import { snapshotMoves, takeAbandoned } from "../db/claims.ts";
import { type SnapshotRow, unneededSnapshots } from "../db/snapshots.ts";
import { finishDeleteSnapshot } from "../services/delete-snapshot.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { forgetSnapshot } from "../services/forget-snapshot.ts";
import { abandonSnapshot, takeSnapshot } from "../services/take-snapshot.ts";

export async function finishSnapshots(deps: ServiceDeps): Promise<void> {
  const abandoned = await takeAbandoned(deps.db, snapshotMoves, 50, deps.claims.ids());
  for (const row of abandoned) later(deps, row.id, finish(deps, row));
  for (const { id } of await unneededSnapshots(deps.db, 50)) later(deps, id, forgetSnapshot(deps, id));
}

function later(deps: ServiceDeps, snapshot: string, work: Promise<unknown>): void {
  void deps.background
    .run(work)
    .catch((error: unknown) => deps.log.debug("snapshot.finish_delayed", { snapshot, error }));
}

async function finish(deps: ServiceDeps, row: SnapshotRow): Promise<unknown> {
  if (row.state === "deleting") return finishDeleteSnapshot(deps, row);
  // Without a key nobody can know of it.
  return row.keyed ? takeSnapshot(deps, row, "") : abandonSnapshot(deps, row);
}
