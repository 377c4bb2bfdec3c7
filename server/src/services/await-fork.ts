/** Waits for what another call, or a crash repair, makes of a fork. */
import { type Problem, problem, problemOf } from "@daytonah/lib/problem.ts";
import { childrenOfFork, type SandboxRow } from "../db/sandboxes.ts";
import { snapshotById } from "../db/snapshots.ts";
import { awaitCreated } from "./await-created.ts";
import type { ServiceDeps } from "./deps.ts";
import type { ForkedSandbox } from "./fork-sandbox.ts";
import { snapshotNotFound } from "./sandbox-problems.ts";

/** The same children; where one was deleted since, as it is now. */
export async function awaitFork(
  deps: ServiceDeps,
  forkId: string,
  count: number,
  signal: AbortSignal,
): Promise<ForkedSandbox> {
  const fork = await snapshotById(deps.db, forkId);
  if (!fork) throw snapshotNotFound(forkId);
  const rows = await childrenOfFork(deps.db, forkId);
  const children = await Promise.all(rows.map((row) => outcomeOf(deps, row, signal)));
  const refused = Array.from({ length: count - rows.length }, () =>
    problem("NO_CAPACITY", "The parent's host had no room for it.", { retryDelayMs: 5_000 }),
  );
  return { children: [...children, ...refused], stages: [], hostId: fork.host_id, replayed: true };
}

async function outcomeOf(deps: ServiceDeps, row: SandboxRow, signal: AbortSignal): Promise<SandboxRow | Problem> {
  if (row.state !== "creating" && row.state !== "failed") return row;
  try {
    return await awaitCreated(deps, row.id, signal);
  } catch (error) {
    const why = problemOf(error);
    if (why) return why;
    throw error;
  }
}
