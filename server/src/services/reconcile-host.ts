/** Holds what a host has against what it should have. */
import { type Vm, VmState } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import type { Failure } from "../db/move-sandbox.ts";
import { forgetPoolVm } from "../db/pool-vms.ts";
import { type SandboxRow, sandboxById, sandboxesById, sandboxesOnHost } from "../db/sandboxes.ts";
import { isKeptByHost, judgeVm, type ReportedVm, type Verdict } from "../domain/judge-vm.ts";
import type { HostClient } from "../hosts/host-client.ts";
import { catchUp } from "./catch-up.ts";
import { deleteExpired } from "./delete-sandbox.ts";
import type { ServiceDeps } from "./deps.ts";
import { failureOfVm, moveToVm } from "./follow-vm.ts";
import { move } from "./move.ts";
import { discardPoolVm } from "./pools/discard-pool-vm.ts";

/** Read before the host is asked for its list: what it must have then is on it. */
export async function sandboxesToFind({ db }: ServiceDeps, hostId: string): Promise<readonly SandboxRow[]> {
  const rows = await sandboxesOnHost(db, hostId);
  return rows.filter(({ state }) => isKeptByHost(state));
}

export async function reconcileHost(
  deps: ServiceDeps,
  host: HostClient,
  toFind: readonly SandboxRow[],
  vms: ReadonlyMap<string, Vm>,
): Promise<void> {
  // Read after the list: a VM is started after its row was written.
  const rows = await sandboxesById(deps.db, [...vms.keys()]);
  await applyVms(deps, host, rows, [...vms.values()]);
  for (const row of toFind.filter(({ id }) => !vms.has(id))) {
    if (row.state === "pooled") {
      await discardPoolVm(deps, row);
      continue;
    }
    const message = "The host came back without its VM.";
    await fail(deps, row, { reason: "VM_DIED", message });
  }
}

/** A change that the host tells of. */
export async function applyVm(deps: ServiceDeps, host: HostClient, vm: Vm): Promise<void> {
  const row = await sandboxById(deps.db, vm.sandboxId);
  await applyVms(deps, host, row ? [row] : [], [vm]);
}

async function applyVms(
  deps: ServiceDeps,
  host: HostClient,
  rows: readonly SandboxRow[],
  vms: readonly Vm[],
): Promise<void> {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const toFollow: SandboxRow[] = [];
  for (const vm of vms) {
    const row = byId.get(vm.sandboxId);
    const verdict = verdictOn(host, row, vm);
    if (row && (verdict === "follow" || verdict === "expire")) toFollow.push(row);
    else await apply(deps, host, verdict, row, vm);
  }
  if (toFollow.length > 0) await follow(deps, host, toFollow);
}

/**
 * What was told may be old news by now: a pause that we commanded since, say. Only what the host says after the row was read
 * counts; should that change again, the host tells us.
 */
async function follow(deps: ServiceDeps, host: HostClient, rows: readonly SandboxRow[]): Promise<void> {
  const vms = new Map((await host.listVms({})).map((vm) => [vm.sandboxId, vm]));
  for (const row of rows) {
    const vm = vms.get(row.id);
    if (!vm) continue;
    const verdict = verdictOn(host, row, vm);
    if (verdict === "expire") {
      deps.log.info("sandbox.expired", { sandbox: row.id, host: host.hostId });
      await deleteExpired(deps, row);
    } else if (verdict === "follow") {
      const next = moveToVm(row, vm);
      const moved = next && (await move(deps, next));
      if (moved) deps.log.info("sandbox.followed", { sandbox: row.id, host: host.hostId, state: moved.state });
      await catchUp(deps, host, moved, vm);
    } else await apply(deps, host, verdict, row, vm);
  }
}

async function apply(
  deps: ServiceDeps,
  host: HostClient,
  verdict: Verdict,
  row: SandboxRow | undefined,
  vm: Vm,
): Promise<void> {
  if (verdict === "delete") return deleteUnwanted(deps, host, vm);
  if (verdict === "stop") return stopUnwanted(deps, host, vm);
  if (verdict === "unseal") return unseal(deps, host, vm);
  if (verdict === "unknown") {
    deps.log.warn("vm.unknown", { sandbox: vm.sandboxId, host: host.hostId, epoch: String(vm.epoch) });
  } else if (row && verdict === "fail") {
    const failed = await fail(deps, row, failureOfVm(vm));
    // It never ran and gave its host back: see docs/sandbox-life.md, "A create that failed".
    if (failed?.host_id === null && vm.state === VmState.FAILED) deleteUnwanted(deps, host, vm);
  } else if (row && verdict === "discard") {
    await discardPoolVm(deps, row);
  } else if (row && verdict === "disown") {
    deps.log.warn("pool.vm_disowned", { sandbox: row.id, host: host.hostId, epoch: String(vm.epoch) });
    await forgetPoolVm(deps.db, row);
  } else if (row && verdict === "recover") {
    await catchUp(deps, host, await move(deps, { ...recovered, id: row.id, epoch: row.epoch }), vm);
  } else if (verdict === "none") await catchUp(deps, host, row, vm);
}

const recovered = { to: "running", from: ["lost"] } as const;

function deleteUnwanted(deps: ServiceDeps, host: HostClient, vm: Vm): void {
  deps.log.info("vm.unwanted", { sandbox: vm.sandboxId, host: host.hostId, epoch: String(vm.epoch) });
  void deps.background
    .run(host.deleteVm({ sandboxId: vm.sandboxId, epoch: vm.epoch }, {}))
    .catch((error: unknown) => deps.log.warn("vm.cleanup_delayed", { sandbox: vm.sandboxId, error }));
}

/** It was woken while it was being deleted. */
function stopUnwanted(deps: ServiceDeps, host: HostClient, vm: Vm): void {
  deps.log.info("vm.unwanted", { sandbox: vm.sandboxId, host: host.hostId, epoch: String(vm.epoch) });
  void deps.background
    .run(host.stopVm({ sandboxId: vm.sandboxId, epoch: vm.epoch }, {}))
    .catch((error: unknown) => deps.log.warn("vm.cleanup_delayed", { sandbox: vm.sandboxId, error }));
}

/** The move that it was sealed for was given up, or is done. */
function unseal(deps: ServiceDeps, host: HostClient, vm: Vm): void {
  deps.log.info("vm.unsealed", { sandbox: vm.sandboxId, host: host.hostId, epoch: String(vm.epoch) });
  void deps.background
    .run(host.unsealVm({ sandboxId: vm.sandboxId, epoch: vm.epoch }, {}))
    .catch((error: unknown) => deps.log.warn("vm.unseal_delayed", { sandbox: vm.sandboxId, error }));
}

async function fail(deps: ServiceDeps, row: SandboxRow, failure: Failure): Promise<SandboxRow | undefined> {
  const moved = await move(deps, { id: row.id, epoch: row.epoch, to: "failed", failure });
  if (moved) deps.log.warn("sandbox.failed", { sandbox: row.id, host: row.host_id, ...failure });
  return moved;
}

const states: Partial<Record<VmState, ReportedVm["state"]>> = {
  [VmState.STARTING]: "starting",
  [VmState.RUNNING]: "running",
  [VmState.PAUSING]: "pausing",
  [VmState.PAUSED]: "paused",
  [VmState.RESUMING]: "resuming",
  [VmState.FAILED]: "failed",
  [VmState.DELETED]: "deleted",
};

function verdictOn({ hostId }: HostClient, row: SandboxRow | undefined, vm: Vm): Verdict {
  const state = states[vm.state];
  if (!state) return "none"; // of a later release
  const { epoch, expired, sealed } = vm;
  const wanted = row && {
    state: row.state,
    epoch: BigInt(row.epoch),
    hostId: row.host_id,
    transferred: row.transfer !== null,
    otherHostId: row.transfer_host_id,
    lifecycleVersion: row.lifecycle_version,
    ofPool: row.pool_id !== null && (row.state === "filling" || row.state === "pooled" || row.state === "creating"),
  };
  return judgeVm(wanted, { hostId, epoch, state, expired, sealed, lifecycleVersion: Number(vm.lifecycleVersion) });
}
