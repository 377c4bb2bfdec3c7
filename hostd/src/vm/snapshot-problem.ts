/** That memory or disk could not be kept; the VM is as it was, unless it died. */
import { type Problem, problem, problemOf } from "@daytonah/lib/problem.ts";
import { isNoSpace } from "./vm-files.ts";

export function snapshotProblem(sandboxId: string, stage: string, cause: unknown): Problem {
  const known = problemOf(cause);
  if (known?.reason === "VM_DIED") return known;
  const metadata = { sandbox_id: sandboxId, stage };
  if (known?.reason === "HOST_NO_SPACE" || isNoSpace(cause)) {
    return problem("HOST_NO_SPACE", "The host's disk has no room for the sandbox's memory and disk.", {
      metadata,
      cause,
    });
  }
  return problem("SNAPSHOT_FAILED", `The sandbox could not be written down: stage ${stage} failed.`, {
    metadata,
    cause,
  });
}
