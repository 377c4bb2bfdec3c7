/** The second half of a fork: takes the instant, then starts the children from it, a few at a time. */
import { type Problem, problem, problemOf } from "@daytonah/lib/problem.ts";
import { refuseSandbox, type SandboxRow } from "../db/sandboxes.ts";
import type { SnapshotRow } from "../db/snapshots.ts";
import type { NewChildren } from "./begin-fork.ts";
import type { ServiceDeps } from "./deps.ts";
import { forgetSnapshot } from "./forget-snapshot.ts";
import type { Stage } from "./stages.ts";
import { type StartedSandbox, startSandbox } from "./start-sandbox.ts";
import { type TakenSnapshot, takeSnapshot } from "./take-snapshot.ts";

export type ForkedChild = SandboxRow | Problem;

export interface RunFork {
  readonly children: readonly ForkedChild[];
  /** The parent's, then those of the slowest child. */
  readonly stages: readonly Stage[];
}

/** How many children start at the same time. */
const atOnce = 8;

export async function runFork(
  deps: ServiceDeps,
  { snapshot, also: { rows } }: { readonly snapshot: SnapshotRow; readonly also: NewChildren },
  requestId: string,
): Promise<RunFork> {
  using held = new DisposableStack();
  for (const { id } of rows) held.use(deps.claims.hold(id));
  const taken = await take(deps, snapshot, rows, requestId);
  const outcomes: (StartedSandbox | Problem)[] = [];
  const queue = rows.entries();
  const work = async () => {
    // One iterator for all workers: each takes the next child.
    for (const [index, row] of queue) outcomes[index] = await startSandbox(deps, row, requestId).catch(asProblem);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  void deps.background.run(forgetSnapshot(deps, snapshot.id)).catch((error: unknown) => {
    deps.log.debug("snapshot.delete_delayed", { snapshot: snapshot.id, error });
  });
  return {
    children: outcomes.map((outcome) => ("row" in outcome ? outcome.row : outcome)),
    stages: [...taken.stages, ...slowest(outcomes)],
  };
}

/** Where it can't be taken, the children go as if they had not been; or, with a key, all goes on when the host is back. */
async function take(
  deps: ServiceDeps,
  snapshot: SnapshotRow,
  rows: readonly SandboxRow[],
  requestId: string,
): Promise<TakenSnapshot> {
  try {
    return await takeSnapshot(deps, snapshot, requestId);
  } catch (error) {
    const reason = asProblem(error).reason;
    if (reason === "HOST_UNAVAILABLE" && snapshot.keyed) throw error;
    await deps.db.transaction().execute(async (tx) => {
      for (const row of rows) await refuseSandbox(tx, row, reason);
    });
    for (const { id } of rows) deps.onMoved(id);
    throw error;
  }
}

function slowest(outcomes: readonly (StartedSandbox | Problem)[]): readonly Stage[] {
  const total = (stages: readonly Stage[]) => stages.reduce((sum, { ms }) => sum + ms, 0);
  return outcomes
    .flatMap((outcome) => ("row" in outcome ? [outcome.stages] : []))
    .reduce<readonly Stage[]>((most, stages) => (total(stages) > total(most) ? stages : most), []);
}

function asProblem(error: unknown): Problem {
  return problemOf(error) ?? problem("INTERNAL", "The child could not be started.", { cause: error });
}
