/** Decides the next move of a sandbox off a host that is being drained: one transaction with its room on the other host, and its pause. */
import { type Problem, problemOf } from "@daytonah/lib/problem.ts";
import { lockDrainingHost, noteObstacle } from "../../db/drains.ts";
import type { HostRow } from "../../db/hosts.ts";
import { moveSandbox } from "../../db/move-sandbox.ts";
import type { SandboxRow } from "../../db/sandboxes.ts";
import type { DbOrTx } from "../../db/schema.ts";
import { hasSnapshotWithMemory } from "../../db/snapshot-transfers.ts";
import { forgetRefusals, noteTransferFailed, refusalsOf } from "../../db/transfer-failures.ts";
import { countTransfersFrom, insertTransfer, nextToTransfer } from "../../db/transfers.ts";
import type { PlacementRequest } from "../../domain/placement.ts";
import type { ServiceDeps } from "../deps.ts";
import { place } from "../place.ts";

/** From one host at the same time: its disk and its network are also its sandboxes'. */
const atOnce = 2;

/** The row, claimed by us and being paused where it ran. Undefined where nothing is to be begun now. */
export async function beginTransfer(deps: ServiceDeps, hostId: string): Promise<SandboxRow | undefined> {
  const begun = await deps.db.transaction().execute(async (tx) => {
    const from = await lockDrainingHost(tx, hostId);
    if (!from || (await countTransfersFrom(tx, hostId)) >= atOnce) return undefined;
    const row = await nextToTransfer(tx, hostId);
    return row && (await decide(tx, row, from));
  });
  if (begun) deps.onMoved(begun.id);
  return begun;
}

async function decide(tx: DbOrTx, row: SandboxRow, from: HostRow): Promise<SandboxRow | undefined> {
  const resume = row.state === "running";
  let hostId: string;
  try {
    ({ hostId } = await place(tx, await requestOf(tx, row, from)));
  } catch (error) {
    const why = problemOf(error);
    if (!why) throw error;
    await noteNoRoom(tx, row.id, from.id, why);
    return undefined;
  }
  if (resume) await moveSandbox(tx, { id: row.id, epoch: row.epoch, to: "pausing" });
  return insertTransfer(tx, { id: row.id, hostId, resume });
}

/** Room for what it has on disk, which may be its memory as well, and where it ran for running again. */
async function requestOf(tx: DbOrTx, row: SandboxRow, from: HostRow): Promise<PlacementRequest> {
  const { template, vcpus, memory_mib: memoryMib, disk_mib: diskMib } = row;
  const runs = row.state === "running";
  const hasMemory = runs || row.memory_kept || (await hasSnapshotWithMemory(tx, row.id));
  return {
    ...{ template, vcpus: runs ? vcpus : 0, memoryMib: runs ? memoryMib : 0, diskMib: diskMib + memoryMib },
    takenOver: { driver: from.driver, architecture: from.architecture, except: await refusalsOf(tx, row.id) },
    ...(hasMemory ? { cpuClass: from.cpu_class } : {}),
  };
}

/** It stays, and runs on; a smaller one may fit. */
export async function noteNoRoom(tx: DbOrTx, id: string, hostId: string, why: Problem): Promise<void> {
  await noteTransferFailed(tx, id);
  await forgetRefusals(tx, id);
  await noteObstacle(tx, hostId, why);
}
