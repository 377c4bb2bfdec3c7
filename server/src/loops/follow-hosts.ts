/** Follows each host of the table, as hosts join, move and are removed: within a second, in every server. */
import { type AdmittedHost, admittedHosts } from "../db/hosts.ts";
import type { HostClient } from "../hosts/host-client.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { type HostStatus, newHostStatus } from "./host-statuses.ts";
import { repeat } from "./repeat.ts";
import { createWatchHost } from "./watch-hosts.ts";

export interface FollowedHosts {
  add(host: AdmittedHost): HostClient;
  remove(hostId: string): void;
}

export interface FollowHosts {
  /** One turn. */
  turn(): Promise<void>;
  run(options: { readonly signal: AbortSignal }): Promise<void>;
}

export function createFollowHosts(
  deps: ServiceDeps,
  hosts: FollowedHosts,
  statuses: Map<string, HostStatus>,
): FollowHosts {
  const followed = new Map<string, { readonly name: string; stop(): Promise<void> }>();

  const follow = (host: AdmittedHost, name: string) => {
    const client = hosts.add(host);
    const status = newHostStatus(host.id, deps.clock.now());
    statuses.set(host.id, status);
    const ending = new AbortController();
    const watching = createWatchHost(deps, client, status).run({ signal: ending.signal });
    followed.set(host.id, {
      name,
      stop: () => {
        ending.abort(new Error(`the host ${host.id} is followed no more`));
        return watching;
      },
    });
  };

  const unfollow = async (hostId: string) => {
    await followed.get(hostId)?.stop();
    followed.delete(hostId);
    statuses.delete(hostId);
    hosts.remove(hostId);
  };

  const turn = async () => {
    const wanted = new Map((await admittedHosts(deps.db)).map((host) => [host.id, host]));
    for (const [hostId, { name }] of followed) {
      const host = wanted.get(hostId);
      if (!host || nameOf(host) !== name) await unfollow(hostId);
    }
    for (const host of wanted.values()) if (!followed.has(host.id)) follow(host, nameOf(host));
  };

  return {
    turn,
    async run({ signal }) {
      await repeat({ name: "follow-hosts", everyMs: 1_000, clock: deps.clock, log: deps.log, signal }, turn);
      await Promise.all([...followed.values()].map(({ stop }) => stop()));
    },
  };
}

/** Of a host that joined again, or is reached elsewhere now, nothing of before is kept. */
function nameOf({ url, tlsName }: AdmittedHost): string {
  return `${tlsName} ${url}`;
}
