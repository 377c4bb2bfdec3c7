/** Tells a host what it has not heard of one of its VMs: it was away, or has forgotten what it heard. */
import { type Vm, VmState } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { raiseVersion } from "../db/access.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import type { HostClient } from "../hosts/host-client.ts";
import type { ServiceDeps } from "./deps.ts";
import { tellAccess } from "./tell-access.ts";
import { tellLifecycle } from "./tell-lifecycle.ts";

/** In the background: the loop tell-hosts repeats what does not arrive. */
export async function catchUp(deps: ServiceDeps, host: HostClient, row: SandboxRow | undefined, vm: Vm): Promise<void> {
  const settled = vm.state === VmState.RUNNING || vm.state === VmState.PAUSED;
  if (row?.host_id !== host.hostId || BigInt(row.epoch) !== vm.epoch || !settled) return;
  await tellAnew(deps, row, "access_version", Number(vm.accessVersion), tellAccess);
  await tellAnew(deps, row, "lifecycle_version", Number(vm.lifecycleVersion), tellLifecycle);
}

async function tellAnew(
  deps: ServiceDeps,
  row: SandboxRow,
  column: "access_version" | "lifecycle_version",
  version: number,
  tellHost: (deps: ServiceDeps, row: SandboxRow) => Promise<void>,
): Promise<void> {
  if (version === row[column]) return;
  const ahead = version > row[column];
  if (ahead) deps.log.warn("host.ahead", { sandbox: row.id, host: row.host_id, column, version });
  const current = ahead ? await raiseVersion(deps.db, row.id, column, version) : row;
  if (!current) return;
  void deps.background
    .run(tellHost(deps, current))
    .catch((error: unknown) => deps.log.warn("host.telling_delayed", { sandbox: row.id, error }));
}
