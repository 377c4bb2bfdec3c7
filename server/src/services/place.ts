/** Picks a host for a new sandbox and keeps its room until the transaction ends. */
import { type Problem, problem } from "@daytonah/lib/problem.ts";
import { describeHosts, type Hosts, pickHost } from "../db/placement.ts";
import type { DbOrTx } from "../db/schema.ts";
import { lackOf, type PlacementRequest, type Size } from "../domain/placement.ts";

export interface Placement {
  readonly hostId: string;
  readonly hardwareIsolated: boolean;
  readonly size: Size;
}

export async function place(tx: DbOrTx, request: PlacementRequest): Promise<Placement> {
  // First one that nobody else works on; a full house is told only where nobody's room may be given back just now.
  const picked = (await pickHost(tx, request, { wait: false })) ?? (await pickHost(tx, request, { wait: true }));
  if (!picked) throw noHost(await describeHosts(tx, request), request);
  const { vcpus, memoryMib } = request;
  const { id, hardwareIsolated, diskMib } = picked;
  return { hostId: id, hardwareIsolated, size: { vcpus, memoryMib, diskMib } };
}

function noHost(hosts: Hosts, request: PlacementRequest): Problem {
  if (hosts.ready === 0) return problem("HOST_UNAVAILABLE", "No host answers.", { retryDelayMs: 2_000 });
  if (hosts.suitable === 0) return unsuitable(request);
  if (hosts.open === 0) return problem("NO_CAPACITY", "Every host is being drained.", { retryDelayMs: 30_000 });
  const lacks = hosts.rooms.map((room) => ({
    host: room.hostId,
    lack: lackOf(room, { ...request, diskMib: room.diskMib }),
  }));
  const missing = new Set(lacks.flatMap(({ lack }) => lack.map(({ asked }) => asked)));
  // Hosts' names and figures are for operators: the log has them.
  const told = lacks.map(
    ({ host, lack }) => `${host}: ${lack.map(({ asked, free }) => `${free} of ${asked}`).join(", ")}`,
  );
  return problem("NO_CAPACITY", `No host has room for ${[...missing].join(" and ")}.`, {
    cause: new Error(`free at the emptiest of ${hosts.open} hosts: ${told.join("; ")}`),
    metadata: {
      vcpus: String(request.vcpus),
      memory_mib: String(request.memoryMib),
      disk_mib: String(Math.max(request.diskMib, ...hosts.rooms.map(({ diskMib }) => diskMib))),
    },
    ...(hosts.everFits ? { retryDelayMs: 5_000 } : { nextStep: "Ask for a smaller sandbox: no host is this large." }),
  });
}

function unsuitable({ template, hostIds, takenOver, cpuClass }: PlacementRequest): Problem {
  if (takenOver) {
    const memory = cpuClass === undefined ? "" : ` and processors of the class ${cpuClass}`;
    const message = `No other host can take it over: one with the driver ${takenOver.driver}${memory} is needed.`;
    return problem("NO_CAPACITY", message, { retryDelayMs: 30_000 });
  }
  if (hostIds === undefined && cpuClass === undefined) {
    return problem("TEMPLATE_NOT_FOUND", `There is no template ${template}.`, { metadata: { template } });
  }
  const where = hostIds ? "The host that has it" : `A host of the class ${cpuClass} with ${template}`;
  return problem("HOST_UNAVAILABLE", `${where} does not answer.`, { retryDelayMs: 5_000 });
}
