/** Takes a snapshot of a running or paused sandbox. Where the client goes away it goes on: list shows it. */
import { abortable } from "@daytonah/lib/deadline.ts";
import { beginOrAwait } from "./begin-or-await.ts";
import type { CallerOptions } from "./create-sandbox.ts";
import type { ServiceDeps } from "./deps.ts";
import { type TakenSnapshot, takeSnapshot } from "./take-snapshot.ts";

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
  const begun = await beginOrAwait(deps, call, signal);
  if (begun.t === "there") return { row: begun.row, stages: [], replayed: true };
  const taking = deps.background.run(takeSnapshot(deps, begun.snapshot, requestId));
  return { ...(await abortable(taking, signal)), replayed: false };
}
