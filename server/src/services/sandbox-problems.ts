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
  return problem(reasonOf(row.failure_reason ?? ""), row.failure_message ?? "The sandbox failed.", {
    metadata: { sandbox_id: row.id, state: row.state },
  });
}

/** A reason that came as text, from a row or a host. */
export function reasonOf(text: string): ReasonName {
  return text in codeOfReason ? (text as ReasonName) : "INTERNAL";
}
