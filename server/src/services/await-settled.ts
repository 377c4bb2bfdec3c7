/** Waits until nobody moves a sandbox: from state to state, or to another host. */
import { type SandboxRow, sandboxById } from "../db/sandboxes.ts";
import type { SandboxState } from "../domain/sandbox-state.ts";
import type { ServiceDeps } from "./deps.ts";
import { onItsWay } from "./sandbox-problems.ts";
import { whileBusy } from "./while-busy.ts";

const moving: readonly SandboxState[] = ["creating", "pausing", "resuming"];
/** How long one waits for a move to another host. */
const patienceMs = 60_000;

/** The row then; undefined where there is none any more. */
export async function awaitSettled(
  { db, clock }: ServiceDeps,
  sandboxId: string,
  signal: AbortSignal,
): Promise<SandboxRow | undefined> {
  const since = clock.now();
  return whileBusy(clock, signal, async () => {
    const row = await sandboxById(db, sandboxId);
    if (!row || (!moving.includes(row.state) && row.transfer === null)) return row;
    if (row.transfer !== null && clock.now() - since > patienceMs) throw onItsWay(sandboxId);
    return "busy";
  });
}
