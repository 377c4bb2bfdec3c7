/** Tells hosts of changes to who may reach their sandboxes and when these end, where the call that made the change could not. */
import { untoldSandboxes } from "../db/access.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { tellAccess } from "../services/tell-access.ts";
import { tellLifecycle } from "../services/tell-lifecycle.ts";
import type { HostStatuses } from "./host-statuses.ts";

/** Hosts that don't answer are told when they do. */
export async function tellHosts(deps: ServiceDeps, statuses: HostStatuses): Promise<void> {
  const connected = [...statuses.values()].filter((status) => status.connected).map(({ hostId }) => hostId);
  const rows = await untoldSandboxes(deps.db, connected, 50);
  await Promise.all(
    rows.map((row) =>
      deps.background
        .run(tellHost(deps, row))
        .catch((error: unknown) => deps.log.debug("host.telling_delayed", { sandbox: row.id, error })),
    ),
  );
}

async function tellHost(deps: ServiceDeps, row: SandboxRow): Promise<void> {
  if (row.access_told < row.access_version) await tellAccess(deps, row);
  if (row.lifecycle_told < row.lifecycle_version) await tellLifecycle(deps, row);
}
