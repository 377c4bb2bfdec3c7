/** Waits for what another call, or a crash repair, makes of a create. */
import { type SandboxRow, sandboxById } from "../db/sandboxes.ts";
import type { ServiceDeps } from "./deps.ts";
import { failureOf, stateConflict } from "./sandbox-problems.ts";

export async function awaitCreated(
  { db, clock }: ServiceDeps,
  sandboxId: string,
  signal: AbortSignal,
): Promise<SandboxRow> {
  for (let waitMs = 20; ; waitMs = Math.min(200, waitMs * 1.5)) {
    const row = await sandboxById(db, sandboxId);
    if (!row || row.state === "deleting" || row.state === "deleted") throw stateConflict(row, sandboxId);
    if (row.state === "failed") throw failureOf(row);
    if (row.state !== "creating") return row;
    await clock.sleep(waitMs, { signal });
  }
}
