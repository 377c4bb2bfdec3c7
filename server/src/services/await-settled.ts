/** Waits until nobody moves a sandbox. */
import { type SandboxRow, sandboxById } from "../db/sandboxes.ts";
import type { SandboxState } from "../domain/sandbox-state.ts";
import type { ServiceDeps } from "./deps.ts";

const moving: readonly SandboxState[] = ["creating", "pausing", "resuming"];

/** The row then; undefined where there is none any more. */
export async function awaitSettled(
  { db, clock }: ServiceDeps,
  sandboxId: string,
  signal: AbortSignal,
): Promise<SandboxRow | undefined> {
  for (let waitMs = 20; ; waitMs = Math.min(200, waitMs * 1.5)) {
    const row = await sandboxById(db, sandboxId);
    if (!row || !moving.includes(row.state)) return row;
    await clock.sleep(waitMs, { signal });
  }
}
