/** Picks a host for a new sandbox and keeps its room until the transaction ends. */
import { problem } from "@daytonah/lib/problem.ts";
import { type HostRow, lockHost, readyHosts, roomsOf } from "../db/hosts.ts";
import type { DbOrTx, HostTemplateRow } from "../db/schema.ts";
import { candidates, type HostRoom, lackOf, type Size } from "../domain/placement.ts";

export interface Placement {
  readonly hostId: string;
  readonly hardwareIsolated: boolean;
  readonly size: Size;
}

export interface PlacementRequest {
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  /** At least this; never less than the template's. */
  readonly diskMib: number;
}

/** Another transaction took the room between our look and our lock: look again in a new one. */
export class PlacementRace extends Error {}

export async function place(tx: DbOrTx, request: PlacementRequest): Promise<Placement> {
  const ready = await readyHosts(tx);
  if (ready.length === 0) {
    throw problem("HOST_UNAVAILABLE", "No host answers.", { retryDelayMs: 2_000 });
  }
  const having = ready.flatMap((host) => {
    const template = host.templates.find(({ name }) => name === request.template);
    return template ? [{ host, template }] : [];
  });
  const first = having[0];
  if (!first) {
    throw problem("TEMPLATE_NOT_FOUND", `There is no template ${request.template}.`, {
      metadata: { template: request.template },
    });
  }
  const size = sizeFor(request, first.template);
  const rooms = await roomsOf(
    tx,
    having.map(({ host }) => host.id),
  );
  const [best] = candidates(rooms, size);
  if (!best) throw noCapacity(rooms, size, ready);
  // One lock a transaction, so that two can't wait for each other.
  if (!(await lockHost(tx, best.hostId))) throw new PlacementRace();
  const [room] = await roomsOf(tx, [best.hostId]);
  if (!room || lackOf(room, size).length > 0) throw new PlacementRace();
  const chosen = ready.find(({ id }) => id === best.hostId);
  return { hostId: best.hostId, hardwareIsolated: chosen?.hardware_isolated ?? false, size };
}

function sizeFor(request: PlacementRequest, template: HostTemplateRow): Size {
  return {
    vcpus: request.vcpus,
    memoryMib: request.memoryMib,
    diskMib: Math.max(request.diskMib, template.diskMib),
  };
}

function noCapacity(rooms: readonly HostRoom[], size: Size, hosts: readonly HostRow[]) {
  const lacks = rooms.map((room) => `${room.hostId} lacks ${lackOf(room, size).join(" and ")}`);
  const everFits = hosts.some(
    (host) => host.vcpus >= size.vcpus && Number(host.memory_mib) >= size.memoryMib + host.vm_overhead_mib,
  );
  return problem("NO_CAPACITY", `No host has room: ${lacks.join("; ")}.`, {
    metadata: {
      vcpus: String(size.vcpus),
      memory_mib: String(size.memoryMib),
      disk_mib: String(size.diskMib),
    },
    ...(everFits ? { retryDelayMs: 5_000 } : { nextStep: "Ask for a smaller sandbox: no host is this large." }),
  });
}
