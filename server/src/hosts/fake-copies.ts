/** How the fake host hands VMs and snapshots over, and takes them. */
import { Readable } from "node:stream";
import { deserialize, serialize } from "node:v8";
import { create } from "@bufbuild/protobuf";
import {
  type Vm,
  VmSchema,
  type VmSnapshot,
  VmSnapshotSchema,
  VmState,
} from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import type { FakeHooks, FakeVms } from "./fake-life.ts";
import type { HostClient, VmId } from "./host-client.ts";

export type FakeCopies = Pick<HostClient, "sealVm" | "unsealVm" | "readCopy" | "writeCopy">;

export function createFakeCopies(fake: FakeVms, hooks: FakeHooks, snapshots: Map<string, VmSnapshot>): FakeCopies {
  const { vms, refused, calls, put, demandReachable } = fake;

  const findAt = ({ sandboxId, epoch }: VmId): Vm => {
    const vm = vms.get(sandboxId);
    if (!vm) throw problem("SANDBOX_NOT_FOUND", "This host has no such sandbox.");
    if (vm.epoch !== epoch) throw problem("SANDBOX_STATE_CONFLICT", "It is at another epoch.");
    return vm;
  };
  const findSealed = (id: VmId): Vm => {
    const vm = findAt(id);
    if (!vm.sealed) throw problem("SANDBOX_STATE_CONFLICT", "It is not sealed.");
    return vm;
  };
  const findSnapshot = (id: string): VmSnapshot => {
    const snapshot = snapshots.get(id);
    if (!snapshot) throw problem("SNAPSHOT_NOT_FOUND", "This host has no such snapshot.");
    return snapshot;
  };
  const demandNewer = ({ sandboxId, epoch }: VmId) => {
    if ((refused.get(sandboxId) ?? 0n) < epoch && (vms.get(sandboxId)?.epoch ?? 0n) < epoch) return;
    throw problem("SANDBOX_STATE_CONFLICT", "It has a higher epoch here, or was deleted.");
  };

  async function* bytesOf(content: Vm | VmSnapshot, sandboxId: string): AsyncGenerator<Buffer> {
    const bytes = serialize({ ...content });
    yield bytes.subarray(0, 10);
    await hooks.onRead({ sandboxId, epoch: content.epoch });
    yield bytes.subarray(10);
  }

  return {
    async sealVm(id) {
      demandReachable();
      calls.push(`seal ${id.sandboxId} ${id.epoch}`);
      await hooks.onSeal(id);
      const vm = findAt(id);
      if (vm.state !== VmState.PAUSED) throw problem("SANDBOX_STATE_CONFLICT", "It is not paused.");
      if (!vm.sealed) put({ ...vm, sealed: true });
    },

    async unsealVm(id) {
      demandReachable();
      calls.push(`unseal ${id.sandboxId} ${id.epoch}`);
      await hooks.onUnseal(id);
      const vm = findAt(id);
      if (vm.sealed) put({ ...vm, sealed: false });
    },

    async readCopy(copy) {
      demandReachable();
      const content = "snapshotId" in copy ? findSnapshot(copy.snapshotId) : findSealed(copy);
      return Readable.from(bytesOf(content, content.sandboxId));
    },

    async writeCopy(copy, bytes) {
      demandReachable();
      const isVm = "sandboxId" in copy;
      calls.push(isVm ? `write ${copy.sandboxId} ${copy.epoch}` : `write-snapshot ${copy.snapshotId}`);
      const isWhole = () => (isVm ? vms.get(copy.sandboxId)?.epoch === copy.epoch : snapshots.has(copy.snapshotId));
      if (isWhole()) return void bytes.destroy();
      if (isVm) demandNewer(copy);
      const content = deserialize(Buffer.concat(await Array.fromAsync(bytes as AsyncIterable<Buffer>)));
      await hooks.onWrite({ sandboxId: content.sandboxId, epoch: isVm ? copy.epoch : content.epoch });
      if (isWhole()) return; // another one was faster
      if (isVm) {
        demandNewer(copy); // it was deleted meanwhile
        put(create(VmSchema, { ...content, ...copy, state: VmState.PAUSED, sealed: true }));
      } else snapshots.set(copy.snapshotId, create(VmSnapshotSchema, content));
      demandReachable();
    },
  };
}
