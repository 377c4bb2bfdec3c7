/** The problems of a sandbox that several services have. */
import { type Problem, problem } from "@daytonah/lib/problem.ts";
import { codeOfReason, type ReasonName } from "@daytonah/lib/problem-reasons.ts";
import type { SandboxRow } from "../db/sandboxes.ts";

export function sandboxNotFound(id: string): Problem {
  return problem("SANDBOX_NOT_FOUND", `There is no sandbox ${id} in your organization.`, {
    metadata: { sandbox_id: id },
  });
}

export function stateConflict(row: Pick<SandboxRow, "id" | "state"> | undefined, id: string): Problem {
  const state = row?.state ?? "deleted";
  const gone = state === "deleting" || state === "deleted";
  return problem("SANDBOX_STATE_CONFLICT", `The sandbox ${id} is ${state}.`, {
    metadata: { sandbox_id: id, state },
    ...(gone ? { nextStep: "Make a new sandbox, with a new idempotency key where you give one." } : {}),
  });
}

/** Why a sandbox is failed, as an error for whoever asked for it. */
export function failureOf(row: SandboxRow): Problem {
  const reason = row.failure_reason ?? "INTERNAL";
  const known: ReasonName = reason in codeOfReason ? (reason as ReasonName) : "INTERNAL";
  return problem(known, row.failure_message ?? "The sandbox failed.", {
    metadata: { sandbox_id: row.id, state: row.state },
  });
}
