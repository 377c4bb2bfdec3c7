/** Follows one host: what it is, which VMs it has, and each change; connects again for as long as the server lives. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { GetHostResponse, Vm } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { isDatabaseUnavailable } from "../db/database-problem.ts";
import { type HostReport, saveHost } from "../db/hosts.ts";
import type { HostClient } from "../hosts/host-client.ts";
import { edgeUrlOf, maxVms } from "../hosts/host-limits.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { applyVm, reconcileHost, sandboxesToFind } from "../services/reconcile-host.ts";
import { reconcileSnapshots } from "../services/reconcile-snapshots.ts";
import type { HostStatus } from "./host-statuses.ts";
import { giveLease } from "./renew-leases.ts";

const retryMs = [100, 250, 500, 1_000, 2_000];
/** How often the host's free disk and templates are asked for. */
const refreshMs = 5_000;

export function createWatchHost(deps: ServiceDeps, host: HostClient, status: HostStatus) {
  return {
    async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
      let failures = 0;
      while (!signal.aborted) {
        try {
          await follow(deps, host, status, signal);
        } catch (error) {
          // That the database does not answer says nothing of the host: it must not be taken for a silent one.
          if (isDatabaseUnavailable(error)) status.heardAt = deps.clock.now();
          if (!signal.aborted && failures === 0) deps.log.warn("host.unreachable", { host: host.hostId, error });
        }
        failures = status.connected ? 0 : failures + 1;
        status.connected = false;
        const waitMs = retryMs[Math.min(failures, retryMs.length - 1)] ?? 0;
        await deps.clock.sleep(waitMs, { signal }).catch(() => undefined);
      }
    },
  };
}

/** Until the stream ends or anything fails, the database too: the next one begins with the whole list again. */
async function follow(deps: ServiceDeps, host: HostClient, status: HostStatus, signal: AbortSignal): Promise<void> {
  const toFind = await sandboxesToFind(deps, host.hostId);
  const found = await look(host, signal);
  await giveLease(deps, host, signal); // it answers, and once its row says so it is given VMs to run
  await note(deps, status, found);
  let refreshedAt = deps.clock.now();
  const vms = new Map<string, Vm>();
  for await (const { event } of host.watchVms({ signal })) {
    status.heardAt = deps.clock.now();
    if (event.case === "vm") {
      if (status.connected) await applyVm(deps, host, event.value);
      else vms.set(event.value.sandboxId, event.value);
      if (vms.size > maxVms) throw new Error(`the host ${host.hostId} says it has more than ${maxVms} VMs`);
    } else if (event.case === "synced") {
      await reconcileHost(deps, host, toFind, vms);
      status.connected = true;
      void deps.background
        .run(reconcileSnapshots(deps, host))
        .catch((error: unknown) => deps.log.warn("snapshots.unchecked", { host: host.hostId, error }));
      deps.log.info("host.connected", { host: host.hostId, vms: vms.size });
    }
    if (deps.clock.now() - refreshedAt >= refreshMs) {
      await note(deps, status, await look(host, signal));
      refreshedAt = deps.clock.now();
    }
  }
}

async function look(host: HostClient, signal: AbortSignal): Promise<GetHostResponse> {
  const response = await host.getHost({ signal });
  if (response.hostId !== host.hostId) throw new Error(`the host ${host.hostId} says it is ${response.hostId}`);
  return response;
}

async function note({ db }: ServiceDeps, status: HostStatus, found: GetHostResponse): Promise<void> {
  await saveHost(db, reportOf(found));
  status.edgeUrl = found.edgeUrl;
  if (found.certificateExpireTime) status.certificateExpiresAt = timestampMs(found.certificateExpireTime);
}

function reportOf(host: GetHostResponse): HostReport {
  const templates = host.templates.map(({ name, digest, diskMib, description, packages }) => ({
    name,
    digest,
    diskMib,
    description,
    packages,
  }));
  return { ...host, id: host.hostId, edgeUrl: edgeUrlOf(host.edgeUrl), templates };
}
