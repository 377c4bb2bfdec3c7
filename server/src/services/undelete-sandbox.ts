/** Takes a delete back, as long as its tombstone is there. */
import { moveSandbox } from "../db/move-sandbox.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import { beginMove, type MoveCall, type MoveDecision } from "./begin-move.ts";
import type { ServiceDeps } from "./deps.ts";
import { requireQuota } from "./require-quota.ts";
import { sandboxNotFound, stateConflict } from "./sandbox-problems.ts";
import { tellLifecycle } from "./tell-lifecycle.ts";

const decision: MoveDecision = {
  rpc: "UndeleteSandbox",
  request: {},
  async decide(tx, row) {
    const { id, epoch, state, memory_kept: memoryKept } = row;
    if (state === "paused") return "as it should be";
    if (state !== "deleted") throw stateConflict(row, id);
    // The row is locked: nobody begins to purge it now.
    if (row.purge_time === null || row.host_id === null) throw sandboxNotFound(id);
    await requireQuota(tx, row.org_id ?? "", { sandboxes: 1 });
    const moved = await moveSandbox(tx, { id, epoch, to: "paused", from: ["deleted"], memoryKept });
    if (!moved) throw sandboxNotFound(id);
    return moved;
  },
};

/** It is paused then. Its host hears at once when it ends, or from the loop tell-hosts. */
export async function undeleteSandbox(deps: ServiceDeps, call: MoveCall, signal: AbortSignal): Promise<SandboxRow> {
  const { ours, row } = await beginMove(deps, call, decision, signal);
  if (ours) {
    void deps.background
      .run(tellLifecycle(deps, row))
      .catch((error: unknown) => deps.log.debug("host.telling_delayed", { sandbox: row.id, error }));
  }
  return row;
}
