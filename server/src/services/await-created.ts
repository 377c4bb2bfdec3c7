/** Waits for what another call, or a crash repair, makes of a create. */
import { type Problem, problem } from "@daytonah/lib/problem.ts";
import { type SandboxRow, sandboxById } from "../db/sandboxes.ts";
import type { ServiceDeps } from "./deps.ts";
import { failureOf, stateConflict } from "./sandbox-problems.ts";
import { whileBusy } from "./while-busy.ts";

export async function awaitCreated(
  { db, clock }: ServiceDeps,
  sandboxId: string,
  signal: AbortSignal,
): Promise<SandboxRow> {
  return whileBusy(clock, signal, async () => {
    const row = await sandboxById(db, sandboxId);
    if (!row) throw refused(sandboxId);
    if (row.state === "deleting" || row.state === "deleted") throw stateConflict(row, sandboxId);
    if (row.state === "failed") throw failureOf(row);
    return row.state === "creating" ? "busy" : row;
  });
}

/** Only a host's refusal takes a row away, and its key: the first caller got the whole reason. */
function refused(sandboxId: string): Problem {
  return problem("NO_CAPACITY", `The host of sandbox ${sandboxId} had no room for it.`, { retryDelayMs: 1_000 });
}
