/** Deletes a snapshot that stood for a fork or a template, and does no longer. Sandboxes made from it stay whole. */
import { moveSnapshot, sandboxMadeFrom } from "../db/snapshots.ts";
import { finishDeleteSnapshot } from "./delete-snapshot.ts";
import type { ServiceDeps } from "./deps.ts";

/** Left to the loop finish-snapshots while a sandbox is being made from it. */
export async function forgetSnapshot(deps: ServiceDeps, id: string): Promise<void> {
  const row = await deps.db.transaction().execute(async (tx) => {
    if ((await sandboxMadeFrom(tx, id)) !== undefined) return undefined;
    return moveSnapshot(tx, { id, to: "deleting", from: ["ready"] });
  });
  if (row) await finishDeleteSnapshot(deps, row);
}
