import { type Problem, problem } from "@daytonah/lib/problem.ts";

export function hostNotFound(hostId: string): Problem {
  return problem("RESOURCE_NOT_FOUND", `There is no host ${hostId}.`, { metadata: { host_id: hostId } });
}
