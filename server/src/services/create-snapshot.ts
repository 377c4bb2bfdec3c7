/** Takes a snapshot of a running or paused sandbox. Where the client goes away it goes on: list shows it. */
import { abortable } from "@daytonah/lib/deadline.ts";
import { type SnapshotRow, snapshotById } from "../db/snapshots.ts";
import { beginSnapshot } from "./begin-snapshot.ts";
import type { CallerOptions } from "./create-sandbox.ts";
import type { ServiceDeps } from "./deps.ts";
import { snapshotNotFound } from "./sandbox-problems.ts";
import { type TakenSnapshot, takeSnapshot } from "./take-snapshot.ts";
import { whileBusy } from "./while-busy.ts";

export interface CreateSnapshotInput {
  readonly orgId: string;
  readonly sandboxId: string;
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Empty: none. */
  readonly idempotencyKey: string;
}

export interface CreatedSnapshot extends TakenSnapshot {
  readonly replayed: boolean;
}

export async function createSnapshot(
  deps: ServiceDeps,
  input: CreateSnapshotInput,
  { signal, requestId }: CallerOptions,
): Promise<CreatedSnapshot> {
  const { name, metadata } = input;
  const call = { ...input, rpc: "CreateSnapshot", request: { name, metadata }, internal: false };
  const begun = await beginSnapshot(deps, call, signal, async () => undefined);
  if (begun.t === "replay") {
    return { row: await awaitSnapshot(deps, begun.snapshotId, signal), stages: [], replayed: true };
  }
  const taking = deps.background.run(takeSnapshot(deps, begun.snapshot, requestId));
  return { ...(await abortable(taking, signal)), replayed: false };
}

/** What another call, or a crash repair, makes of it. */
export async function awaitSnapshot(deps: ServiceDeps, id: string, signal: AbortSignal): Promise<SnapshotRow> {
  return whileBusy(deps.clock, signal, async () => {
    const row = await snapshotById(deps.db, id);
    if (row?.state === "ready") return row;
    if (row?.state !== "creating") throw snapshotNotFound(id);
    return "busy";
  });
}
