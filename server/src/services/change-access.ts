/** Changes who may reach a sandbox: in the database first, then at its host. */
import { abortable } from "@daytonah/lib/deadline.ts";
import { type Problem, problem, problemOf } from "@daytonah/lib/problem.ts";
import { lockSandbox } from "../db/access.ts";
import { takeKey } from "../db/idempotency.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import type { DbOrTx } from "../db/schema.ts";
import type { ServiceDeps } from "./deps.ts";
import { digestOf, idempotencyKeyReused } from "./idempotent.ts";
import { sandboxNotFound, sandboxNotRunning, stateConflict } from "./sandbox-problems.ts";
import { tellAccess } from "./tell-access.ts";

export interface AccessChange {
  readonly orgId: string;
  readonly sandboxId: string;
  /** Empty: none. */
  readonly idempotencyKey: string;
  readonly rpc: string;
  /** What makes this request another one than the next. */
  readonly request: unknown;
  /** What a repeat is answered with, as text; known before the change. */
  readonly resultOf: (row: SandboxRow) => string;
  /** The row is locked, and stays so until the transaction ends. */
  readonly apply: (tx: DbOrTx, row: SandboxRow) => Promise<SandboxRow>;
}

export interface ChangedAccess {
  readonly row: SandboxRow;
  readonly result: string;
}

/** Resolves when it holds everywhere: what was allowed before is over. */
export async function changeAccess(
  deps: ServiceDeps,
  change: AccessChange,
  signal: AbortSignal,
): Promise<ChangedAccess> {
  const changed = await deps.db.transaction().execute((tx) => decide(tx, change));
  deps.onMoved(change.sandboxId);
  try {
    await abortable(deps.background.run(tellAccess(deps, changed.row)), signal);
  } catch (error) {
    const why = problemOf(error);
    throw why?.reason === "HOST_UNAVAILABLE" ? untold(changed.row, why) : error;
  }
  return changed;
}

async function decide(tx: DbOrTx, change: AccessChange): Promise<ChangedAccess> {
  const { orgId, sandboxId, idempotencyKey, rpc, request } = change;
  const row = await lockSandbox(tx, orgId, sandboxId);
  if (!row || row.state === "deleted") throw sandboxNotFound(sandboxId);
  const resultId = change.resultOf(row);
  if (idempotencyKey !== "") {
    const digest = digestOf({ sandboxId, request });
    const taken = await takeKey(tx, { orgId, rpc, key: idempotencyKey, digest, resultId });
    if (taken.t === "reused") throw idempotencyKeyReused(idempotencyKey);
    if (taken.t === "replay") return { row, result: taken.resultId };
  }
  if (row.state === "deleting") throw stateConflict(row, sandboxId);
  // The start that is under way carries what was true before.
  if (row.state === "creating" || row.state === "resuming") throw sandboxNotRunning(row);
  return { row: await change.apply(tx, row), result: resultId };
}

/** The change is written down, and the loop tell-hosts goes on. */
export function untold({ id }: SandboxRow, cause: Problem): Problem {
  return problem("HOST_UNAVAILABLE", `${cause.message} It has not heard yet of this change to the sandbox ${id}.`, {
    ...cause.options,
    metadata: { ...cause.options.metadata, sandbox_id: id },
    nextStep:
      "Call again after retry_delay, with the same idempotency key where you gave one; the host is told meanwhile.",
    cause,
  });
}
