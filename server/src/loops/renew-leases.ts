/**
 * Lets hosts' VMs run on. A host freezes them by itself where no renewal comes in time, so what a server says of a silent
 * host's sandboxes after their lease has ended is true.
 */
import { extendLeases } from "../db/hosts.ts";
import type { HostClient } from "../hosts/host-client.ts";
import type { ServiceDeps } from "../services/deps.ts";
import type { HostStatus, HostStatuses } from "./host-statuses.ts";

const leaseMs = 15_000;
/** Another server has just renewed it where more than this is left. */
const renewBelowMs = 12_000;
/** Shorter than mark-lost's margin: a renewal that comes late must not outlast what the row says. */
const callMs = 3_000;
/** So that a server that can't reach the host leaves it to another. */
const holdBackMs = 6_000;

/** First the row, then the host: never may the host believe in more than the row says. */
export async function renewLeases(deps: ServiceDeps, statuses: HostStatuses): Promise<void> {
  const now = deps.clock.now();
  const mine = [...statuses.values()].filter(
    ({ connected, leaseFailedAt }) => connected && now - leaseFailedAt > holdBackMs,
  );
  const due = await extendLeases(
    deps.db,
    mine.map(({ hostId }) => hostId),
    { leaseMs, renewBelowMs },
  );
  await Promise.all(mine.filter(({ hostId }) => due.includes(hostId)).map((status) => renew(deps, status)));
}

/** To a host that has just answered: it may have none any more. Not to one that has not, whose sandboxes are to be lost in time. */
export async function giveLease(deps: ServiceDeps, host: HostClient, signal: AbortSignal): Promise<void> {
  await extendLeases(deps.db, [host.hostId], { leaseMs, renewBelowMs: leaseMs + callMs });
  await host.renewLease(leaseMs, { signal: AbortSignal.any([signal, AbortSignal.timeout(callMs)]) });
}

async function renew(deps: ServiceDeps, status: HostStatus): Promise<void> {
  try {
    await deps.hosts.get(status.hostId)?.renewLease(leaseMs, { signal: AbortSignal.timeout(callMs) });
  } catch (error) {
    status.leaseFailedAt = deps.clock.now();
    deps.log.debug("host.lease_not_renewed", { host: status.hostId, error });
  }
}
