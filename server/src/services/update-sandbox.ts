/** Changes a sandbox's labels. */
import { fieldProblem } from "@daytonah/lib/problem.ts";
import { takeKey } from "../db/idempotency.ts";
import { changeLabels } from "../db/labels.ts";
import { type SandboxRow, sandboxOf } from "../db/sandboxes.ts";
import type { Db, DbOrTx } from "../db/schema.ts";
import { digestOf, idempotencyKeyReused } from "./idempotent.ts";
import { sandboxNotFound, stateConflict } from "./sandbox-problems.ts";

export interface UpdateSandboxInput {
  readonly orgId: string;
  readonly sandboxId: string;
  readonly setMetadata: Readonly<Record<string, string>>;
  readonly removeMetadata: readonly string[];
  /** Empty: none. */
  readonly idempotencyKey: string;
}

const rpc = "UpdateSandbox";
const mostLabels = 64;

/** The sandbox after it; as it is now where the key was used before. */
export async function updateSandbox(db: Db, input: UpdateSandboxInput): Promise<SandboxRow> {
  return db.transaction().execute(async (tx) => {
    const { orgId, sandboxId, idempotencyKey, setMetadata: set, removeMetadata: remove } = input;
    if (idempotencyKey !== "") {
      const digest = digestOf({ sandboxId, set, remove });
      const taken = await takeKey(tx, { orgId, rpc, key: idempotencyKey, digest, resultId: sandboxId });
      if (taken.t === "reused") throw idempotencyKeyReused(idempotencyKey);
      if (taken.t === "replay") return found(tx, orgId, sandboxId);
    }
    const changed = await changeLabels(tx, { orgId, id: sandboxId, remove, set, most: mostLabels });
    if (changed) return changed;
    const row = await found(tx, orgId, sandboxId);
    if (row.state === "deleting") throw stateConflict(row, sandboxId);
    throw fieldProblem("set_metadata", `the sandbox would have more than ${mostLabels} labels.`);
  });
}

async function found(tx: DbOrTx, orgId: string, sandboxId: string): Promise<SandboxRow> {
  const row = await sandboxOf(tx, orgId, sandboxId);
  if (!row || row.state === "deleted") throw sandboxNotFound(sandboxId);
  return row;
}
