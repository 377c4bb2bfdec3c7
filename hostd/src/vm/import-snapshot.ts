/** Takes in a snapshot of another host's. */
import { badArchive } from "../moves/unpack.ts";
import { receive } from "./receive.ts";
import { requireMovable } from "./require-movable.ts";
import { snapshotBytes } from "./snapshot-bytes.ts";
import { readManifest, type SnapshotManifest } from "./snapshot-store.ts";
import type { VmDeps } from "./vm-deps.ts";

/** Idempotent by its id: one that is here is not read again. Where it fails nothing is left. */
export async function importSnapshot(
  deps: VmDeps,
  snapshotId: string,
  body: AsyncIterable<Uint8Array>,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  const { images, log, moves, snapshots } = deps;
  await moves.arrive({ id: snapshotId, epoch: 0 }, options.signal, async (signal) => {
    if (snapshots.get(snapshotId)) return;
    const began = performance.now();
    const manifest = await snapshots.make(snapshotId, async (draft) => {
      const { described } = await receive(deps, body, {
        ...{ dir: draft.dir, description: "manifest.json", diskMode: 0o400, signal },
        read: async (text) => {
          const manifest = readMoved(text, snapshotId);
          await requireMovable(images, manifest);
          return manifest;
        },
      });
      return { ...described, sizeBytes: await snapshotBytes(draft, described.memoryKept, false) };
    });
    const { sizeBytes } = manifest;
    log.info("snapshot.arrived", { snapshot: snapshotId, bytes: sizeBytes, ms: performance.now() - began });
  });
}

function readMoved(text: string, snapshotId: string): SnapshotManifest {
  try {
    return readManifest(text, snapshotId);
  } catch (error) {
    throw badArchive((error as Error).message);
  }
}
