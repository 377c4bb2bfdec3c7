/** What becomes of a pause or resume that its host did not do. */
import { type Problem, problem, problemOf } from "@daytonah/lib/problem.ts";
import { releaseClaim, sandboxMoves } from "../db/claims.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import type { ServiceDeps } from "./deps.ts";
import { settleByHost } from "./follow-vm.ts";

/** What the caller gets. The row is claimed by us: it settles, or is left to the loop finish-moves. */
export async function leaveMove(deps: ServiceDeps, row: SandboxRow, error: unknown): Promise<Problem> {
  const why = problemOf(error) ?? problem("INTERNAL", `The sandbox can't be ${row.state}.`, { cause: error });
  const metadata = { ...why.options.metadata, sandbox_id: row.id };
  const refused = why.reason !== "HOST_UNAVAILABLE";
  if (refused && (await settle(deps, row))) {
    deps.log.warn("sandbox.move_refused", { sandbox: row.id, host: row.host_id, move: row.state, error: why });
    return problem(why.reason, why.message, { ...why.options, metadata, cause: why });
  }
  // Where even this fails, the claim runs out.
  await releaseClaim(deps.db, sandboxMoves, row.id).catch(() => undefined);
  return problem(why.reason, why.message, {
    ...why.options,
    metadata,
    nextStep: "Call again after retry_delay: it goes on meanwhile.",
    retryDelayMs: why.options.retryDelayMs ?? 1_000,
    cause: why,
  });
}

async function settle(deps: ServiceDeps, row: SandboxRow): Promise<boolean> {
  try {
    return (await settleByHost(deps, row)) !== undefined;
  } catch (error) {
    deps.log.warn("sandbox.settle_delayed", { sandbox: row.id, error });
    return false;
  }
}
