/** The fake host's snapshots. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  RollBackVmResponseSchema,
  SnapshotVmResponseSchema,
  type Vm,
  type VmSnapshot,
  VmSnapshotSchema,
  VmState,
} from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import type { FakeHooks, FakeVms } from "./fake-life.ts";
import type { HostClient, VmId } from "./host-client.ts";

export interface FakeSnapshots
  extends Pick<HostClient, "snapshotVm" | "rollBackVm" | "deleteVmSnapshot" | "listVmSnapshots"> {
  /** What there is, by id. */
  readonly snapshots: Map<string, VmSnapshot>;
}

export function createFakeSnapshots(fake: FakeVms, hooks: FakeHooks): FakeSnapshots {
  const { vms, calls, put, demandReachable } = fake;
  const snapshots = new Map<string, VmSnapshot>();
  const underWay = new Map<string, Promise<void>>();

  async function take({ sandboxId, epoch, snapshotId }: VmId & { readonly snapshotId: string }): Promise<void> {
    const vm = vms.get(sandboxId);
    if (!vm) throw problem("SANDBOX_NOT_FOUND", "This host has no such sandbox.");
    if (vm.epoch !== epoch) throw problem("SANDBOX_STATE_CONFLICT", "It is at another epoch.");
    if (vm.state !== VmState.RUNNING && vm.state !== VmState.PAUSED) {
      throw problem("SANDBOX_NOT_RUNNING", "It neither runs nor is paused.");
    }
    await hooks.onSnapshot({ sandboxId, epoch });
    const { vcpus, memoryMib, diskMib } = vm;
    const of = { snapshotId, sandboxId, epoch, vcpus, memoryMib, diskMib };
    const memoryKept = vm.state === VmState.RUNNING || vm.memoryKept;
    snapshots.set(snapshotId, create(VmSnapshotSchema, { ...of, memoryKept, sizeBytes: 4_096n }));
  }

  return {
    snapshots,

    async snapshotVm({ sandboxId, epoch, snapshotId }) {
      demandReachable();
      calls.push(`snapshot ${sandboxId} ${snapshotId}`);
      if (!snapshots.has(snapshotId)) {
        const taking = underWay.get(snapshotId) ?? take({ sandboxId, epoch, snapshotId });
        underWay.set(snapshotId, taking);
        await taking.finally(() => underWay.delete(snapshotId));
      }
      demandReachable();
      const stages = [{ stage: "window", duration: durationFromMs(1) }];
      return create(SnapshotVmResponseSchema, { snapshot: snapshots.get(snapshotId) as VmSnapshot, stages });
    },

    async rollBackVm({ sandboxId, epoch, snapshotId, access, lifecycle }) {
      demandReachable();
      calls.push(`roll-back ${sandboxId} ${epoch}`);
      const vm = vms.get(sandboxId);
      if (!vm) throw problem("SANDBOX_NOT_FOUND", "This host has no such sandbox.");
      if (!snapshots.has(snapshotId)) throw problem("SNAPSHOT_NOT_FOUND", "This host has no such snapshot.");
      if (vm.sealed) throw problem("SANDBOX_STATE_CONFLICT", "It is sealed.");
      if (vm.epoch > epoch) throw problem("SANDBOX_STATE_CONFLICT", "It has a higher epoch.");
      if (vm.epoch < epoch) {
        await hooks.onRollBack({ sandboxId, epoch });
        demandReachable();
        const versions = { accessVersion: access.version, lifecycleVersion: lifecycle.version };
        const back = { state: VmState.RUNNING, memoryKept: false, failureReason: "", failureMessage: "" };
        // One that was deleted meanwhile stays so.
        if (vms.has(sandboxId)) put({ ...vm, ...versions, ...back, epoch });
      }
      const stages = [{ stage: "restore", duration: durationFromMs(1) }];
      return create(RollBackVmResponseSchema, { vm: vms.get(sandboxId) as Vm, stages });
    },

    async deleteVmSnapshot(snapshotId) {
      demandReachable();
      calls.push(`delete-snapshot ${snapshotId}`);
      await underWay.get(snapshotId)?.catch(() => undefined);
      snapshots.delete(snapshotId);
    },

    async listVmSnapshots() {
      demandReachable();
      return [...snapshots.values()];
    },
  };
}
