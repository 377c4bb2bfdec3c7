/** The move of a snapshot off a host that is being drained: after its sandbox, to the same host; any other where that is no more. */
import { problemOf } from "@daytonah/lib/problem.ts";
import { lockDrainingHost } from "../../db/drains.ts";
import type { HostRow } from "../../db/hosts.ts";
import type { DbOrTx } from "../../db/schema.ts";
import {
  countSnapshotTransfersFrom,
  endSnapshotTransfer,
  giveUpSnapshotTransfer,
  insertSnapshotTransfer,
  nextSnapshotToTransfer,
  switchSnapshotHost,
} from "../../db/snapshot-transfers.ts";
import type { SnapshotRow } from "../../db/snapshots.ts";
import { noteRefusal, refusalsOf } from "../../db/transfer-failures.ts";
import type { PlacementRequest } from "../../domain/placement.ts";
import type { ServiceDeps } from "../deps.ts";
import { hostOf } from "../host-of.ts";
import { place } from "../place.ts";
import { noteNoRoom } from "./begin-transfer.ts";
import { copyOrGiveUp } from "./copy-or-give-up.ts";

/** From one host at the same time. */
const atOnce = 2;

/** The row, claimed by us. Undefined where nothing is to be begun now. */
export async function beginSnapshotTransfer(deps: ServiceDeps, hostId: string): Promise<SnapshotRow | undefined> {
  return deps.db.transaction().execute(async (tx) => {
    const from = await lockDrainingHost(tx, hostId);
    if (!from || (await countSnapshotTransfersFrom(tx, hostId)) >= atOnce) return undefined;
    const row = await nextSnapshotToTransfer(tx, hostId);
    if (!row) return undefined;
    try {
      const placement = await place(tx, await requestOf(tx, row, from, row.home));
      return await insertSnapshotTransfer(tx, row.id, placement.hostId);
    } catch (error) {
      const why = problemOf(error);
      if (!why) throw error;
      await noteNoRoom(tx, row.id, hostId, why);
      return undefined;
    }
  });
}

async function requestOf(tx: DbOrTx, row: SnapshotRow, from: HostRow, home: string | null): Promise<PlacementRequest> {
  const diskMib = Math.ceil(Number(row.size_bytes) / 1024 ** 2);
  const size = { template: row.template, vcpus: 0, memoryMib: 0, diskMib };
  if (home !== null) return { ...size, hostIds: [home] };
  const { driver, architecture, cpu_class: cpuClass } = from;
  const takenOver = { driver, architecture, except: await refusalsOf(tx, row.id) };
  return { ...size, takenOver, ...(row.memory_kept ? { cpuClass } : {}) };
}

const copying = { copy: copyAcross, giveUp: giveUpSnapshotTransfer };

/** The row is being transferred, claimed by us. May be repeated after a crash. */
export async function runSnapshotTransfer(deps: ServiceDeps, row: SnapshotRow): Promise<void> {
  using _ = deps.claims.hold(row.id);
  const landing = row.transfer === "copying" ? await copyOrGiveUp(deps, row, { snapshot: row.id }, copying) : row;
  if (!landing) return;
  await deleteAt(deps, row, landing.transfer_host_id).catch((error: unknown) => {
    // Where that host does not answer, its list is held against the rows when it is back.
    deps.log.warn("snapshot.cleanup_delayed", { snapshot: row.id, host: landing.transfer_host_id, error });
  });
  await endSnapshotTransfer(deps.db, landing);
}

async function copyAcross(deps: ServiceDeps, row: SnapshotRow): Promise<SnapshotRow | undefined> {
  const { id: snapshotId, sandbox_id: id, host_id: from, transfer_host_id: to } = row;
  try {
    const bytes = await hostOf(deps, { id, host_id: from }).readCopy({ snapshotId }, {});
    await hostOf(deps, { id, host_id: to }).writeCopy({ snapshotId }, bytes, {});
    return await deps.db.transaction().execute((tx) => switchSnapshotHost(tx, row));
  } catch (error) {
    const why = problemOf(error);
    if (why && to !== null && why.reason !== "HOST_UNAVAILABLE") await noteRefusal(deps.db, snapshotId, to);
    throw error;
  }
}

async function deleteAt(deps: ServiceDeps, row: SnapshotRow, hostId: string | null): Promise<void> {
  if (hostId === null) return; // that host was removed
  await hostOf(deps, { id: row.sandbox_id, host_id: hostId }).deleteVmSnapshot(row.id, {});
}
