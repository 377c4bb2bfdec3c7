/** Holds the snapshots that a host has against the rows. */
import { type SnapshotRow, snapshotsById, snapshotsOnHost } from "../db/snapshots.ts";
import type { HostClient } from "../hosts/host-client.ts";
import type { ServiceDeps } from "./deps.ts";

/** Deletes what was deleted here, or is on another host. What never had a row may be the only copy of something: it is logged and left alone. */
export async function reconcileSnapshots(deps: ServiceDeps, host: HostClient): Promise<void> {
  const wanted = (await snapshotsOnHost(deps.db, host.hostId)).filter(({ state }) => state === "ready");
  const there = new Set((await host.listVmSnapshots({})).map(({ snapshotId }) => snapshotId));
  for (const { id } of wanted) {
    if (!there.has(id)) deps.log.error("snapshot.missing", { snapshot: id, host: host.hostId });
  }
  // Read after the list: a snapshot is taken after its row was written.
  const rows = new Map((await snapshotsById(deps.db, [...there])).map((row) => [row.id, row]));
  for (const snapshotId of there) {
    const row = rows.get(snapshotId);
    if (!row) deps.log.warn("snapshot.unknown", { snapshot: snapshotId, host: host.hostId });
    else if (row.state === "deleted" || isElsewhere(row, host)) await host.deleteVmSnapshot(snapshotId, {});
  }
}

/** And not on its way here, or from here. */
function isElsewhere(row: SnapshotRow, { hostId }: HostClient): boolean {
  return row.host_id !== hostId && row.transfer_host_id !== hostId;
}
