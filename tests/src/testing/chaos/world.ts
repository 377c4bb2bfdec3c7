/** What the clients and the faults of one run share. */
import type { ChaosHost } from "./chaos-host.ts";
import type { Cluster } from "./cluster.ts";
import type { KnownSandbox, Losses, Model } from "./model.ts";

export interface World {
  readonly cluster: Cluster;
  readonly model: Model;
  /** Begins every idempotency key. */
  readonly name: string;
  /** Faults and clients end. */
  over: boolean;
  /** VMMs that were killed, by sandbox. */
  readonly vmmKills: Map<string, number>;
  /** Set where a fault waits for a snapshot, whose host's disk it then fills. */
  onSnapshot: ((host: ChaosHost) => Promise<void>) | undefined;
}

/** Of each host by now. */
export type Reboots = ReadonlyMap<string, number>;

export const rebootsOf = ({ cluster }: World): Reboots =>
  new Map(cluster.hosts.map(({ id, reboots }) => [id, reboots]));

export function hostOf({ cluster }: World, hostId: string): ChaosHost {
  const host = cluster.hosts.find(({ id }) => id === hostId);
  if (!host) throw new Error(`there is no host ${hostId}`);
  return host;
}

/** What may have cost a sandbox its memory up to now. */
export function lossesOf(world: World, { id, hostId }: Pick<KnownSandbox, "id" | "hostId">): Losses {
  const { reboots, daemonKills } = hostOf(world, hostId);
  return { vm: world.vmmKills.get(id) ?? 0, reboots, daemonKills };
}

/** A sandbox that was given out fails only where its VM was taken from it. */
export function checkFailed(world: World, { id, hostId, rebootsBefore }: KnownSandbox): void {
  const taken = world.vmmKills.has(id) || hostOf(world, hostId).reboots > rebootsBefore;
  world.model.check(taken, `${id} failed, and nothing had ended its VM`);
}
