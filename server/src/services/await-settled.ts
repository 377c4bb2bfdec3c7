/** Waits until nobody moves a sandbox: from state to state, or to another host. */
import { type SandboxRow, sandboxById } from "../db/sandboxes.ts";
import type { SandboxState } from "../domain/sandbox-state.ts";
import type { ServiceDeps } from "./deps.ts";
import { whileBusy } from "./while-busy.ts";

const moving: readonly SandboxState[] = ["creating", "pausing", "resuming"];

/** The row then; undefined where there is none any more. */
export async function awaitSettled(
  { db, clock }: ServiceDeps,
  sandboxId: string,
  signal: AbortSignal,
): Promise<SandboxRow | undefined> {
  return whileBusy(clock, signal, async () => {
    const row = await sandboxById(db, sandboxId);
    return row && (moving.includes(row.state) || row.transfer !== null) ? "busy" : row;
  });
}
