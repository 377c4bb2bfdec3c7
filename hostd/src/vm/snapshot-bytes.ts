import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { SnapshotDraft } from "./snapshot-store.ts";

/** What a snapshot takes on disk, without the blocks that its disk shares with another. */
export async function snapshotBytes(
  draft: Pick<SnapshotDraft, "disk" | "memory">,
  memoryKept: boolean,
  sharesDisk: boolean,
): Promise<number> {
  const memory = memoryKept ? (await readdir(draft.memory)).map((name) => join(draft.memory, name)) : [];
  const sizes = [...memory, ...(sharesDisk ? [] : [draft.disk])].map(async (path) => (await stat(path)).blocks * 512);
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}
