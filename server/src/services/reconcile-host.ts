/** Holds what a host has against what it should have. */
import { type Vm, VmState } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { raiseAccessVersion } from "../db/access.ts";
import { type SandboxRow, sandboxById, sandboxesById, sandboxesOnHost } from "../db/sandboxes.ts";
import { judgeVm, type ReportedVm } from "../domain/judge-vm.ts";
import type { HostClient } from "../hosts/host-client.ts";
import type { ServiceDeps } from "./deps.ts";
import { move } from "./move.ts";
import { tellAccess } from "./tell-access.ts";

/** Read before the host is asked for its list: what runs now must be on it. */
export async function sandboxesToFind({ db }: ServiceDeps, hostId: string): Promise<readonly SandboxRow[]> {
  const rows = await sandboxesOnHost(db, hostId);
  return rows.filter(({ state }) => state === "running" || state === "lost");
}

export async function reconcileHost(
  deps: ServiceDeps,
  host: HostClient,
  toFind: readonly SandboxRow[],
  vms: ReadonlyMap<string, Vm>,
): Promise<void> {
  // Read after the list: a VM is started after its row was written.
  const rows = await sandboxesById(deps.db, [...vms.keys()]);
  const byId = new Map(rows.map((row) => [row.id, row]));
  for (const vm of vms.values()) await applyVerdict(deps, host, byId.get(vm.sandboxId), vm);
  for (const row of toFind.filter(({ id }) => !vms.has(id))) {
    const message = "The host came back without its VM.";
    await fail(deps, row, { reason: "VM_DIED", message });
  }
}

/** A change that the host tells of. */
export async function applyVm(deps: ServiceDeps, host: HostClient, vm: Vm): Promise<void> {
  await applyVerdict(deps, host, await sandboxById(deps.db, vm.sandboxId), vm);
}

async function applyVerdict(deps: ServiceDeps, host: HostClient, row: SandboxRow | undefined, vm: Vm): Promise<void> {
  const reported = reportedVm(host.hostId, vm);
  if (!reported) return;
  const wanted = row && { state: row.state, epoch: BigInt(row.epoch), hostId: row.host_id };
  const verdict = judgeVm(wanted, reported);
  switch (verdict) {
    case "none":
      return catchUpAccess(deps, host, row, vm);
    case "unknown":
      deps.log.warn("vm.unknown", { sandbox: vm.sandboxId, host: host.hostId, epoch: String(vm.epoch) });
      return;
    case "delete":
      return deleteUnwanted(deps, host, vm);
    case "fail":
      if (row) {
        const failure = { reason: vm.failureReason || "VM_DIED", message: vm.failureMessage || "Its VM is gone." };
        const failed = await fail(deps, row, failure);
        // It never ran and gave its host back: see docs/sandbox-life.md, "A create that failed".
        if (failed?.host_id === null && vm.state === VmState.FAILED) deleteUnwanted(deps, host, vm);
      }
      return;
    case "recover":
      if (!row) return;
      return catchUpAccess(deps, host, await move(deps, { ...recovered, id: row.id, epoch: row.epoch }), vm);
    default:
      return verdict satisfies never;
  }
}

const recovered = { to: "running", from: ["lost"] } as const;

/** The host heard of no change while it was away, or has forgotten what it heard. */
async function catchUpAccess(deps: ServiceDeps, host: HostClient, row: SandboxRow | undefined, vm: Vm): Promise<void> {
  const ours = row?.host_id === host.hostId && BigInt(row.epoch) === vm.epoch && vm.state === VmState.RUNNING;
  const version = Number(vm.accessVersion);
  if (!ours || version === row.access_version) return;
  const ahead = version > row.access_version;
  if (ahead) deps.log.warn("access.ahead", { sandbox: row.id, host: host.hostId, version });
  const current = ahead ? await raiseAccessVersion(deps.db, row.id, version) : row;
  if (!current) return;
  void deps.background
    .run(tellAccess(deps, current))
    .catch((error: unknown) => deps.log.warn("access.delayed", { sandbox: row.id, error }));
}

function deleteUnwanted(deps: ServiceDeps, host: HostClient, vm: Vm): void {
  deps.log.info("vm.unwanted", { sandbox: vm.sandboxId, host: host.hostId, epoch: String(vm.epoch) });
  void deps.background
    .run(host.deleteVm({ sandboxId: vm.sandboxId, epoch: vm.epoch }, {}))
    .catch((error: unknown) => deps.log.warn("vm.cleanup_delayed", { sandbox: vm.sandboxId, error }));
}

async function fail(
  deps: ServiceDeps,
  row: SandboxRow,
  failure: { readonly reason: string; readonly message: string },
): Promise<SandboxRow | undefined> {
  const from = ["creating", "running", "lost"] as const;
  const moved = await move(deps, { id: row.id, epoch: row.epoch, to: "failed", from, failure });
  if (moved) deps.log.warn("sandbox.failed", { sandbox: row.id, host: row.host_id, ...failure });
  return moved;
}

const states: Partial<Record<VmState, ReportedVm["state"]>> = {
  [VmState.STARTING]: "starting",
  [VmState.RUNNING]: "running",
  [VmState.FAILED]: "failed",
  [VmState.DELETED]: "deleted",
};

/** Undefined for a state of a later release. */
function reportedVm(hostId: string, vm: Vm): ReportedVm | undefined {
  const state = states[vm.state];
  return state && { hostId, epoch: vm.epoch, state };
}
