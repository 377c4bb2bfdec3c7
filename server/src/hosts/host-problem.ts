/** What calls to a host fail with. */
import { Code, ConnectError } from "@connectrpc/connect";
import { type Problem, problem, problemOf } from "@daytonah/lib/problem.ts";

/** What the host said, or HOST_UNAVAILABLE where it said nothing of its own. */
export function hostProblem(hostId: string, error: unknown): Problem {
  const known = problemOf(error);
  if (known) return known;
  const connectError = ConnectError.from(error);
  // A refusal without our detail: another epoch, say. The host did answer.
  if (connectError.code === Code.FailedPrecondition) {
    return problem("SANDBOX_STATE_CONFLICT", "The host has this sandbox in another epoch.", { cause: error });
  }
  // Of an earlier release: it did nothing, and won't, however often it is asked.
  if (connectError.code === Code.Unimplemented) {
    return problem("UNKNOWN_CALL", `The daemon of the host ${hostId} does not know this call.`, {
      metadata: { host_id: hostId },
      nextStep: "Upgrade the host's daemon.",
      cause: error,
    });
  }
  return hostUnavailable(hostId, error);
}

export function hostUnavailable(hostId: string, cause?: unknown): Problem {
  return problem("HOST_UNAVAILABLE", `The host ${hostId} does not answer.`, {
    metadata: { host_id: hostId },
    retryDelayMs: 2_000,
    cause,
  });
}
