/** Says of silent hosts that they are, and that their sandboxes are lost. Not after a mere outage of the database. */
import { markUnreachable } from "../db/hosts.ts";
import { sandboxesOnSilentHosts } from "../db/sandboxes.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { move } from "../services/move.ts";
import type { HostStatuses } from "./host-statuses.ts";

/** After this, no new sandbox is placed on it. */
const unreachableMs = 7_000;
/** After this, its sandboxes are lost, */
const lostMs = 20_000;
/** and this long after its lease has ended: renewals are under way for a while, and clocks don't run alike. */
const leaseMarginMs = 5_000;

/** The row's seen_time is the newest of all servers, `heardAt` is this server's own. */
export async function markLost(deps: ServiceDeps, statuses: HostStatuses): Promise<void> {
  // Before the first query: while the database lets us wait, the watchers wait as well, and hear nobody.
  const now = deps.clock.now();
  const silentFor = (hostId: string, ms: number) => {
    const status = statuses.get(hostId);
    return status !== undefined && now - status.heardAt > ms;
  };
  for (const { hostId } of statuses.values()) {
    if (silentFor(hostId, unreachableMs)) await markUnreachable(deps.db, hostId, unreachableMs);
  }
  if (![...statuses.keys()].some((hostId) => silentFor(hostId, lostMs))) return;
  for (const row of await sandboxesOnSilentHosts(deps.db, lostMs, leaseMarginMs)) {
    if (!silentFor(row.host_id ?? "", lostMs)) continue;
    const moved = await move(deps, { id: row.id, epoch: row.epoch, to: "lost", from: ["running"] });
    if (moved) deps.log.warn("sandbox.lost", { sandbox: row.id, host: row.host_id });
  }
}
