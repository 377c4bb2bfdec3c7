/** What the clients and the faults of one run share. */
import type { ChaosHost } from "./chaos-host.ts";
import type { Cluster } from "./cluster.ts";
import type { KnownSandbox, Losses, Model } from "./model.ts";

export interface World {
  readonly cluster: Cluster;
  readonly model: Model;
  /** Begins every idempotency key. */
  readonly name: string;
  /** Aborted when no fault and no client is to begin anything more. */
  readonly over: AbortSignal;
  /** VMMs that were killed, by sandbox. */
  readonly vmmKills: Map<string, number>;
  /** Set where a fault waits for a snapshot, whose host's disk it then fills. */
  onSnapshot: ((host: ChaosHost) => Promise<void>) | undefined;
}

export const rebootsOf = ({ cluster }: World) => new Map(cluster.hosts.map(({ id, reboots }) => [id, reboots]));

export function hostOf({ cluster }: World, hostId: string): ChaosHost {
  const host = cluster.hosts.find(({ id }) => id === hostId);
  if (!host) throw new Error(`there is no host ${hostId}`);
  return host;
}

/** Up to now. */
export function lossesOf({ cluster, vmmKills }: World, sandboxId: string): Losses {
  const ofHosts = new Map(cluster.hosts.map(({ id, reboots, daemonKills }) => [id, reboots + daemonKills]));
  return { vmmKills: vmmKills.get(sandboxId) ?? 0, ofHosts };
}

/** Whether a sandbox may have lost its memory since, on the host that it was on or on the one where it is now. */
export function mayBeLost(world: World, { id, hostId }: KnownSandbox, since: Losses, nowOn: string): boolean {
  const now = lossesOf(world, id);
  const struck = (host: string) => now.ofHosts.get(host) !== since.ofHosts.get(host);
  return now.vmmKills !== since.vmmKills || struck(hostId) || struck(nowOn);
}

/** A sandbox that was given out fails only where its VM was taken from it. */
export function checkFailed(world: World, { id, hostId, rebootsBefore }: KnownSandbox, nowOn: string): void {
  const rebooted = (host: string) => hostOf(world, host).reboots > (rebootsBefore.get(host) ?? 0);
  const taken = world.vmmKills.has(id) || rebooted(hostId) || rebooted(nowOn);
  world.model.check(taken, `${id} failed, and nothing had ended its VM`);
}
