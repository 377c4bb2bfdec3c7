/** Waits until a host that is drained is empty, and says meanwhile how much is left. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client, Host } from "daytonah";
import { CliError } from "./cli-error.ts";
import { note } from "./output.ts";

const everyMs = 500;

/** Fails where somebody ends the drain, or removes the host. */
export async function awaitDrained(client: Client, hostId: string): Promise<Host> {
  for (let said = ""; ; await sleep(everyMs)) {
    const host = await find(client, hostId);
    if (!host?.draining) throw new CliError(`Nobody drains the host ${hostId} any more.`, "See `dnah hosts`.");
    if (host.sandboxes + host.snapshots === 0) {
      if (host.tombstones > 0) await note(`deleted sandboxes that can still be taken back: ${host.tombstones}`);
      return host;
    }
    const left = `left: ${host.sandboxes} sandboxes, ${host.snapshots} snapshots`;
    const now = host.obstacle ? `${left}; ${host.obstacle.reason}: ${host.obstacle.message}` : left;
    if (now !== said) await note(now);
    said = now;
  }
}

async function find(client: Client, hostId: string): Promise<Host | undefined> {
  for await (const host of client.hosts.list()) if (host.id === hostId) return host;
  return undefined;
}
