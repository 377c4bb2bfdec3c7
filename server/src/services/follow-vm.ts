/** Lets a sandbox's row follow what its host has. */
import { type Vm, VmState } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import type { Move } from "../db/move-sandbox.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import { wordsOf } from "../hosts/host-limits.ts";
import type { ServiceDeps } from "./deps.ts";
import { hostOf } from "./host-of.ts";
import { move } from "./move.ts";

/** The move that makes this row say what the host says; undefined while the VM is on its way somewhere. */
export function moveToVm(row: SandboxRow, vm: Vm): Move | undefined {
  const at = { id: row.id, epoch: row.epoch, from: [row.state], hostEpoch: vm.epoch };
  switch (vm.state) {
    case VmState.RUNNING:
      return { ...at, to: "running" };
    case VmState.PAUSED:
      return { ...at, to: "paused", memoryKept: vm.memoryKept };
    case VmState.FAILED:
      return { ...at, to: "failed", failure: failureOfVm(vm) };
    default:
      return undefined;
  }
}

export function failureOfVm(vm: Vm) {
  return { reason: wordsOf(vm.failureReason) || "VM_DIED", message: wordsOf(vm.failureMessage) || "Its VM is gone." };
}

/**
 * After a command that its host refused: asks it, and makes the row say what is. The row is claimed by us. Undefined where
 * that is still open, or someone else was faster.
 */
export async function settleByHost(deps: ServiceDeps, row: SandboxRow): Promise<SandboxRow | undefined> {
  const vm = (await hostOf(deps, row).listVms({})).find(({ sandboxId }) => sandboxId === row.id);
  const failure = { reason: "VM_DIED", message: "Its host has no VM of it any more." };
  const next = vm ? moveToVm(row, vm) : ({ id: row.id, epoch: row.epoch, to: "failed", failure } as const);
  return next && (await move(deps, next));
}
