/** Begins a snapshot, or waits for the same one, which another call began: for what that, or a crash repair, makes of it. */
import { type SnapshotRow, snapshotById } from "../db/snapshots.ts";
import { beginSnapshot, type SnapshotCall } from "./begin-snapshot.ts";
import type { ServiceDeps } from "./deps.ts";
import { snapshotNotFound } from "./sandbox-problems.ts";
import { whileBusy } from "./while-busy.ts";

export type BegunOrThere =
  | { readonly t: "new"; readonly snapshot: SnapshotRow }
  | { readonly t: "there"; readonly row: SnapshotRow };

export async function beginOrAwait(deps: ServiceDeps, call: SnapshotCall, signal: AbortSignal): Promise<BegunOrThere> {
  for (let gone = ""; ; ) {
    const begun = await beginSnapshot(deps, call, signal, async () => undefined);
    if (begun.t === "new") return begun;
    const { snapshotId } = begun;
    // Its key says still that it was made: it was deleted since.
    if (snapshotId === gone) throw snapshotNotFound(snapshotId);
    const row = await settled(deps, snapshotId, signal);
    if (row) return { t: "there", row };
    gone = snapshotId; // or it was given up, and then its key is free for this call
  }
}

async function settled(deps: ServiceDeps, id: string, signal: AbortSignal): Promise<SnapshotRow | undefined> {
  return whileBusy(deps.clock, signal, async () => {
    const row = await snapshotById(deps.db, id);
    if (row?.state === "creating") return "busy";
    return row?.state === "ready" ? row : undefined;
  });
}
