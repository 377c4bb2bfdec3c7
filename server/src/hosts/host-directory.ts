/** The hosts that this server talks to now: a client for its own calls of each, and sessions for what it relays. */
import { type ConnectHost, createConnectHost } from "./connect-host.ts";
import type { HostClient, HostClients } from "./host-client.ts";
import { createHostSessions, type HostSessions } from "./host-sessions.ts";
import type { HostAddress } from "./host-tls.ts";

export interface HostDirectory extends HostClients, Disposable {
  readonly sessions: HostSessions;
  add(address: HostAddress): HostClient;
  /** Ends what is under way with it. */
  remove(hostId: string): void;
}

export function createHostDirectory(): HostDirectory {
  const addresses = new Map<string, HostAddress>();
  const clients = new Map<string, ConnectHost>();
  const sessions = createHostSessions((hostId) => addresses.get(hostId));
  const remove = (hostId: string) => {
    addresses.delete(hostId);
    clients.get(hostId)?.[Symbol.dispose]();
    clients.delete(hostId);
    sessions.end(hostId);
  };
  return {
    sessions,
    get: (hostId) => clients.get(hostId),
    add(address) {
      const client = createConnectHost(address);
      addresses.set(address.hostId, address);
      clients.set(address.hostId, client);
      return client;
    },
    remove,
    [Symbol.dispose]() {
      for (const hostId of [...addresses.keys()]) remove(hostId);
    },
  };
}
