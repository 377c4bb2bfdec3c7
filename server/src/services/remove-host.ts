/** Forgets a host: one that nothing is on any more, or one that is gone for good with what is on it. */
import { problem } from "@daytonah/lib/problem.ts";
import { abandonHost } from "../db/abandon-host.ts";
import { isForeignKeyViolation } from "../db/database-problem.ts";
import { deleteHost } from "../db/hosts.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import type { ServiceDeps } from "./deps.ts";
import { hostNotFound } from "./host-not-found.ts";

/** Servers follow it no more, so that its certificate is believed no more. */
export async function removeHost(deps: ServiceDeps, hostId: string, force: boolean): Promise<void> {
  const abandoned = await remove(deps, hostId, force).catch((error: unknown) => {
    throw isForeignKeyViolation(error) ? inUse(hostId, error) : error;
  });
  for (const { id } of abandoned) deps.onMoved(id);
  if (force) deps.log.warn("host.abandoned", { host: hostId, sandboxes: abandoned.length });
}

function remove({ db }: ServiceDeps, hostId: string, force: boolean): Promise<readonly SandboxRow[]> {
  return db.transaction().execute(async (tx) => {
    const abandoned = force ? await abandonHost(tx, hostId) : [];
    if (!(await deleteHost(tx, hostId))) throw hostNotFound(hostId);
    return abandoned;
  });
}

function inUse(hostId: string, cause: unknown) {
  return problem("RESOURCE_IN_USE", `The host ${hostId} has sandboxes or snapshots.`, {
    metadata: { host_id: hostId, used_by: "sandboxes" },
    nextStep: "Drain the host, and delete what stays on it; or force it, where the machine is gone for good.",
    cause,
  });
}
