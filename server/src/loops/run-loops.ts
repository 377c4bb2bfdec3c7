/** What every server does again and again. follow-hosts is not among them: its first turn comes before all of these. */
import type { HostAuthority } from "../hosts/host-authority.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { drainHosts } from "./drain-hosts.ts";
import { fillPools } from "./fill-pools.ts";
import { finishDeletes } from "./finish-deletes.ts";
import { finishMoves } from "./finish-moves.ts";
import { finishSnapshots } from "./finish-snapshots.ts";
import type { HostStatuses } from "./host-statuses.ts";
import { markLost } from "./mark-lost.ts";
import { createPlaceEvents } from "./place-events.ts";
import { purgeTombstones } from "./purge-tombstones.ts";
import { renewCertificates } from "./renew-certificates.ts";
import { renewHeldClaims } from "./renew-claims.ts";
import { renewLeases } from "./renew-leases.ts";
import { repairCreates } from "./repair-creates.ts";
import { repeat } from "./repeat.ts";
import { tellHosts } from "./tell-hosts.ts";

/**
 * Events are asked for so often rather than announced by PostgreSQL: NOTIFY takes one lock for the whole database at commit,
 * so that no two creates could wait for the disk together.
 */
const placeEventsMs = 200;

/** Until the signal; what fails is tried again at the next turn. */
export async function runLoops(
  deps: ServiceDeps,
  statuses: HostStatuses,
  authority: HostAuthority,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const { clock, log } = deps;
  const run = (name: string, everyMs: number, turn: () => Promise<void>) =>
    repeat({ name, everyMs, clock, log, signal }, turn);
  await Promise.all([
    run("renew-claims", 1_000, () => renewHeldClaims(deps)),
    run("repair-creates", 1_000, () => repairCreates(deps)),
    run("finish-deletes", 1_000, () => finishDeletes(deps)),
    run("finish-moves", 1_000, () => finishMoves(deps)),
    run("finish-snapshots", 1_000, () => finishSnapshots(deps)),
    run("purge-tombstones", 1_000, () => purgeTombstones(deps)),
    run("place-events", placeEventsMs, createPlaceEvents(deps)),
    run("fill-pools", 500, () => fillPools(deps)),
    run("drain-hosts", 500, () => drainHosts(deps)),
    run("mark-lost", 1_000, () => markLost(deps, statuses)),
    run("renew-leases", 1_000, () => renewLeases(deps, statuses)),
    run("renew-certificates", 5_000, () => renewCertificates(deps, authority, statuses)),
    run("tell-hosts", 1_000, () => tellHosts(deps, statuses)),
  ]);
}
