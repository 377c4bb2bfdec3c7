/** What a sealed VM has, or a snapshot, for another host: a stream that breaks where it is not whole. */
import { dirname } from "node:path";
import { packFolder } from "../moves/pack.ts";
import { entryAt, wrongState } from "./entry-at.ts";
import type { VmDeps } from "./vm-deps.ts";

export interface Export {
  readonly output: AsyncIterable<Uint8Array>;
  /** Aborts with the caller's, and with a Problem where it is ended from here. */
  readonly signal: AbortSignal;
}

/** Of one that is sealed at just this epoch; who unseals it ends this. */
export async function exportVm(
  deps: VmDeps,
  { sandboxId, epoch }: { readonly sandboxId: string; readonly epoch: number },
  { signal }: { readonly signal: AbortSignal },
): Promise<Export> {
  const { registry, store, moves } = deps;
  const entry = entryAt(registry, sandboxId, epoch);
  const { record } = entry;
  if (record.state !== "paused" || !record.sealed) throw wrongState(entry);
  const kept = record.memory !== undefined;
  return moves.depart({ id: sandboxId, epoch }, signal, (ends) =>
    packFolder(store.dirOf(sandboxId), "vm.json", kept, { signal: ends }),
  );
}

export async function exportSnapshot(
  { snapshots, moves }: VmDeps,
  snapshotId: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<Export> {
  const use = snapshots.use(snapshotId);
  try {
    const { disk, manifest } = use.snapshot;
    const leaving = await moves.depart({ id: snapshotId, epoch: 0 }, signal, (ends) =>
      packFolder(dirname(disk), "manifest.json", manifest.memoryKept, { signal: ends }),
    );
    void leaving.ended.then(() => use[Symbol.dispose]());
    return leaving;
  } catch (error) {
    use[Symbol.dispose]();
    throw error;
  }
}
