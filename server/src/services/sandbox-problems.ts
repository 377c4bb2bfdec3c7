/** The problems of a sandbox that several services have. */
import { type Problem, problem } from "@daytonah/lib/problem.ts";
import { codeOfReason, type ReasonName } from "@daytonah/lib/problem-reasons.ts";
import type { SandboxRow } from "../db/sandboxes.ts";

export function sandboxNotFound(id: string): Problem {
  return problem("SANDBOX_NOT_FOUND", `There is no sandbox ${id} in your organization.`, {
    metadata: { sandbox_id: id },
  });
}

export function snapshotNotFound(id: string): Problem {
  return problem("SNAPSHOT_NOT_FOUND", `There is no snapshot ${id} in your organization.`, {
    metadata: { snapshot_id: id },
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

/** For what can't be done before it has arrived. */
export function onItsWay(id: string): Problem {
  return problem("SANDBOX_STATE_CONFLICT", `The sandbox ${id} is on its way to another host.`, {
    metadata: { sandbox_id: id },
    nextStep: "Call again after retry_delay.",
    retryDelayMs: 5_000,
  });
}

/** For what only a running sandbox can do. */
export function sandboxNotRunning({ id, state }: Pick<SandboxRow, "id" | "state">): Problem {
  const moving = state === "creating" || state === "pausing" || state === "resuming";
  return problem("SANDBOX_NOT_RUNNING", `The sandbox ${id} is ${state}.`, {
    metadata: { sandbox_id: id, state },
    ...(moving ? { nextStep: "Call again when it is running.", retryDelayMs: 500 } : {}),
  });
}

/** For a move that this settled state does not allow. */
export function notMovable(row: SandboxRow, verb: string): Problem {
  const { id, state } = row;
  const metadata = { sandbox_id: id, state };
  if (state === "deleted") return sandboxNotFound(id);
  if (state === "deleting") return stateConflict(row, id);
  if (state === "lost") {
    return problem("HOST_LOST", `The host of sandbox ${id} does not answer.`, { metadata, retryDelayMs: 5_000 });
  }
  const nextStep =
    state === "failed" && verb !== "resume"
      ? "Resume it: it starts again from its disk."
      : "Make a new sandbox; get shows why this one is not running.";
  return problem("SANDBOX_NOT_RUNNING", `The sandbox ${id} is ${state}; it can't ${verb}.`, { metadata, nextStep });
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
