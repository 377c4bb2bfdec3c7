/** Tells hosts of changes to who may reach their sandboxes, where the call that made the change could not. */
import { untoldSandboxes } from "../db/access.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { tellAccess } from "../services/tell-access.ts";
import type { HostStatuses } from "./host-statuses.ts";
import { repeat } from "./repeat.ts";

export function createTellHosts(deps: ServiceDeps, statuses: HostStatuses) {
  return {
    run: ({ signal }: { readonly signal: AbortSignal }) =>
      repeat({ name: "tell-hosts", everyMs: 1_000, clock: deps.clock, log: deps.log, signal }, () =>
        tellHosts(deps, statuses),
      ),
  };
}

/** One turn. Hosts that don't answer are told when they do. */
async function tellHosts(deps: ServiceDeps, statuses: HostStatuses): Promise<void> {
  const connected = [...statuses.values()].filter((status) => status.connected).map(({ hostId }) => hostId);
  const rows = await untoldSandboxes(deps.db, connected, 50);
  await Promise.all(
    rows.map((row) =>
      deps.background
        .run(tellAccess(deps, row))
        .catch((error: unknown) => deps.log.debug("access.delayed", { sandbox: row.id, error })),
    ),
  );
}
