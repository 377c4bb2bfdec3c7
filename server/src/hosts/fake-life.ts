/** How the fake host pauses and resumes its VMs. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  ClaimVmResponseSchema,
  PauseVmResponseSchema,
  ResumeVmResponseSchema,
  type Vm,
  VmState,
} from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import type { VmLifecycle } from "../domain/lifecycle.ts";
import type { VmAccess } from "../domain/vm-access.ts";
import type { ClaimPlan, HostClient, VmId } from "./host-client.ts";

export interface FakeHooks {
  /** PauseVm waits for what this returns; rejecting is its failure, and the VM runs on. */
  onPause: (id: VmId) => Promise<void>;
  /** The same for ResumeVm; the VM is then as it was. */
  onResume: (id: VmId) => Promise<void>;
  /** The same for RollBackVm. */
  onRollBack: (id: VmId) => Promise<void>;
  /** The same for SnapshotVm. */
  onSnapshot: (id: VmId) => Promise<void>;
  /** The same for ClaimVm. */
  onClaim: (plan: ClaimPlan) => Promise<void>;
  /** SealVm, UnsealVm, DeleteVm, and a copy that is half read, or read and about to be written, wait for what these return. */
  onSeal: (id: VmId) => Promise<void>;
  onUnseal: (id: VmId) => Promise<void>;
  onDelete: (id: VmId) => Promise<void>;
  onRead: (id: VmId) => Promise<void>;
  onWrite: (id: VmId) => Promise<void>;
}

export interface FakeLife
  extends Pick<HostClient, "setVmLifecycle" | "pauseVm" | "stopVm" | "resumeVm" | "claimVm" | "listVms"> {
  readonly hooks: FakeHooks;
  /** When they end, as it was told last. */
  readonly lifecycles: ReadonlyMap<string, VmLifecycle>;
  /** The VM was idle, or its time is over; `expired`: and it is to be deleted then. */
  pauseItself(sandboxId: string, expired?: boolean): void;
  /** Tells watchers, as an event that took its time would. */
  report(vm: Vm): void;
  /** A call came for the paused VM. */
  wakeItself(sandboxId: string): void;
}

export interface FakeVms {
  readonly vms: Map<string, Vm>;
  readonly accesses: Map<string, VmAccess>;
  readonly lifecycles: Map<string, VmLifecycle>;
  /** Epochs up to which a sandbox was deleted. */
  readonly refused: Map<string, bigint>;
  readonly calls: string[];
  readonly put: (vm: Vm) => void;
  readonly tell: (vm: Vm) => void;
  readonly demandReachable: () => void;
}

const stages = [{ stage: "memory", duration: durationFromMs(1) }];

export function createFakeHooks(): FakeHooks {
  const at = async () => undefined;
  const moves = { onSeal: at, onUnseal: at, onDelete: at, onRead: at, onWrite: at };
  return { onPause: at, onResume: at, onRollBack: at, onSnapshot: at, onClaim: at, ...moves };
}

export function createFakeLife(fake: FakeVms, hooks: FakeHooks): FakeLife {
  const { vms, calls, put, demandReachable } = fake;
  const pauses = new Map<string, Promise<void>>();
  const resumes = new Map<string, Promise<void>>();

  const find = (sandboxId: string): Vm => {
    const vm = vms.get(sandboxId);
    if (!vm) throw problem("SANDBOX_NOT_FOUND", "This host has no such sandbox.");
    return vm;
  };
  const findAt = ({ sandboxId, epoch }: VmId): Vm => {
    const vm = find(sandboxId);
    if (vm.epoch !== epoch) throw problem("SANDBOX_STATE_CONFLICT", "It is at another epoch.");
    return vm;
  };
  const findIn = (state: VmState, sandboxId: string): Vm => {
    const vm = find(sandboxId);
    if (vm.state !== state) throw new Error(`the VM ${sandboxId} is in state ${vm.state}, not in ${state}`);
    return vm;
  };
  const moveOn = (before: Vm, from: VmState, after: Partial<Vm>) => {
    const vm = findAt(before);
    if (vm.state === from) put({ ...vm, ...after });
    return findAt(before);
  };

  async function pause(vm: Vm): Promise<void> {
    put({ ...vm, state: VmState.PAUSING });
    try {
      await hooks.onPause(vm);
    } catch (error) {
      moveOn(vm, VmState.PAUSING, { state: VmState.RUNNING });
      throw error;
    }
    moveOn(vm, VmState.PAUSING, { state: VmState.PAUSED, memoryKept: true });
  }

  async function resume(before: Vm, after: Vm): Promise<void> {
    put({ ...after, state: VmState.RESUMING });
    try {
      await hooks.onResume(after);
    } catch (error) {
      if (vms.get(after.sandboxId)?.state === VmState.RESUMING) put(before);
      throw error;
    }
    moveOn(after, VmState.RESUMING, { state: VmState.RUNNING, memoryKept: false, expired: false });
  }

  return {
    hooks,
    lifecycles: fake.lifecycles,

    async setVmLifecycle({ sandboxId, epoch, lifecycle }) {
      demandReachable();
      const vm = findAt({ sandboxId, epoch });
      if (lifecycle.version <= vm.lifecycleVersion) return;
      fake.lifecycles.set(sandboxId, lifecycle);
      put({ ...vm, lifecycleVersion: lifecycle.version, expired: false });
    },

    async pauseVm(id) {
      demandReachable();
      calls.push(`pause ${id.sandboxId} ${id.epoch}`);
      const vm = findAt(id);
      if (vm.state === VmState.FAILED) throw problem("VM_DIED", vm.failureMessage);
      if (vm.state === VmState.RUNNING) pauses.set(id.sandboxId, pause(vm));
      if (vm.state === VmState.RUNNING || vm.state === VmState.PAUSING) await pauses.get(id.sandboxId);
      demandReachable();
      return create(PauseVmResponseSchema, { vm: findAt(id), stages });
    },

    async stopVm({ sandboxId, epoch }) {
      demandReachable();
      calls.push(`stop ${sandboxId} ${epoch}`);
      await pauses.get(sandboxId)?.catch(() => undefined);
      await resumes.get(sandboxId)?.catch(() => undefined);
      const vm = vms.get(sandboxId);
      if (!vm) return undefined;
      if (vm.epoch > epoch) throw problem("SANDBOX_STATE_CONFLICT", "It has a higher epoch.");
      const stopped = { ...vm, state: VmState.PAUSED, failureReason: "", failureMessage: "" };
      if (vm.state !== VmState.PAUSED) put(stopped);
      return stopped;
    },

    async resumeVm({ access, lifecycle, ...id }) {
      demandReachable();
      calls.push(`resume ${id.sandboxId} ${id.epoch}`);
      const vm = find(id.sandboxId);
      if (vm.sealed) throw problem("SANDBOX_STATE_CONFLICT", "It is sealed.");
      if (vm.epoch > id.epoch) throw problem("SANDBOX_STATE_CONFLICT", "It has a higher epoch.");
      const versions = { accessVersion: access.version, lifecycleVersion: lifecycle.version };
      const after = { ...vm, ...versions, epoch: id.epoch, failureReason: "", failureMessage: "" };
      if (vm.state === VmState.PAUSED || vm.state === VmState.FAILED) resumes.set(id.sandboxId, resume(vm, after));
      else if (vm.epoch < id.epoch) put(after); // it woke by itself meanwhile
      await resumes.get(id.sandboxId);
      demandReachable();
      fake.accesses.set(id.sandboxId, access);
      fake.lifecycles.set(id.sandboxId, lifecycle);
      return create(ResumeVmResponseSchema, { vm: findAt(id), stages: [{ ...stages[0], stage: "restore" }] });
    },

    async claimVm(plan) {
      demandReachable();
      const { sandboxId, epoch, access, lifecycle } = plan;
      calls.push(`claim ${sandboxId} ${epoch}`);
      if (find(sandboxId).standby) await hooks.onClaim(plan);
      demandReachable();
      const vm = find(sandboxId);
      if (vm.state !== VmState.RUNNING) throw problem("VM_DIED", "The VM's process has ended.");
      if (vm.standby) {
        fake.accesses.set(sandboxId, access);
        fake.lifecycles.set(sandboxId, lifecycle);
        const versions = { accessVersion: access.version, lifecycleVersion: lifecycle.version };
        put({ ...vm, ...versions, epoch, standby: false });
      }
      return create(ClaimVmResponseSchema, {
        vm: findAt({ sandboxId, epoch }),
        stages: [{ ...stages[0], stage: "personalize" }],
      });
    },

    async listVms() {
      demandReachable();
      return [...vms.values()];
    },

    report: fake.tell,

    pauseItself(sandboxId, expired = false) {
      const vm = findIn(VmState.RUNNING, sandboxId);
      put({ ...vm, state: VmState.PAUSING });
      put({ ...vm, state: VmState.PAUSED, memoryKept: !expired, expired });
    },

    wakeItself(sandboxId) {
      const vm = findIn(VmState.PAUSED, sandboxId);
      if (vm.sealed) throw new Error(`the VM ${sandboxId} is sealed`);
      put({ ...vm, state: VmState.RESUMING });
      put({ ...vm, state: VmState.RUNNING, memoryKept: false });
    },
  };
}
