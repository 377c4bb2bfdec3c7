/** HostDaemonService: what the control plane asks of this host. */
import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { type HostDaemonService, WatchVmsResponseSchema } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { abortable } from "@daytonah/lib/deadline.ts";
import { requestIdKey } from "@daytonah/lib/request-id.ts";
import type { HostIdentity } from "../pki/host-identity.ts";
import { freeMemoryMib, overheadMibPerVm, usableDiskMib } from "../vm/capacity.ts";
import { claimVm } from "../vm/claim-vm.ts";
import { deleteSnapshot } from "../vm/delete-snapshot.ts";
import { deleteVm } from "../vm/delete-vm.ts";
import { settleVms } from "../vm/freeze-vms.ts";
import { pauseVm } from "../vm/pause-vm.ts";
import { resumeVm } from "../vm/resume-vm.ts";
import { rollBackVm } from "../vm/roll-back-vm.ts";
import { sealVm, unsealVm } from "../vm/seal-vm.ts";
import { setVmAccess } from "../vm/set-vm-access.ts";
import { setVmLifecycle } from "../vm/set-vm-lifecycle.ts";
import { snapshotVm } from "../vm/snapshot-vm.ts";
import { startVm } from "../vm/start-vm.ts";
import { stopVm } from "../vm/stop-vm.ts";
import type { VmDeps } from "../vm/vm-deps.ts";
import { certificateService } from "./certificate-service.ts";
import { epochOf, stagesOf, toAccess, toLifecycle, toResume, toSnapshot, toStages, toVm } from "./vm-convert.ts";

const heartbeatMs = 5_000;
const mib = 1024 * 1024;

export interface HostFacts {
  readonly hostId: string;
  readonly version: string;
  /** Hosts with the same can resume one another's VMs. */
  readonly cpuClass: string;
  /** Empty where it has no edge. */
  readonly edgeUrl: string;
}

export function hostService(
  deps: VmDeps,
  facts: HostFacts,
  identity: HostIdentity,
): ServiceImpl<typeof HostDaemonService> {
  const instanceId = randomUUID();
  const { registry, lease, snapshots, images, files, size, vmm } = deps;
  const requestIdOf = ({ values }: HandlerContext) => values.get(requestIdKey);
  return {
    async getHost() {
      const { architecture, templates } = images.bundle;
      return {
        ...{ ...facts, instanceId, architecture },
        driver: vmm.name,
        certificateExpireTime: timestampFromDate(identity.current.expireTime),
        hardwareIsolated: vmm.capabilities.hardwareIsolated,
        vcpus: size.vcpus,
        memoryMib: BigInt(size.memoryMib),
        vmOverheadMib: overheadMibPerVm,
        memoryFreeMib: BigInt(freeMemoryMib(size, registry.roomTakers())),
        diskFreeMib: BigInt(usableDiskMib(await deps.store.freeDiskMib())),
        memoryShared: vmm.capabilities.copyOnWriteRestore,
        diskShared: files.sharesBlocks,
        frozen: lease.frozen,
        templates: templates.map(({ name, sha256, sizeBytes, description, packages }) => ({
          ...{ name, description, packages },
          digest: `sha256:${sha256}`,
          diskMib: Math.ceil(sizeBytes / mib),
        })),
      };
    },

    ...certificateService(identity),

    async startVm(request, context) {
      const { template, vcpus, memoryMib, diskMib, env, standby, snapshotId } = request;
      const started = startVm(deps, {
        ...toResume(request),
        ...{ template, vcpus, memoryMib, diskMib, env, standby },
        ...(snapshotId === "" ? {} : { snapshotId }),
        requestId: requestIdOf(context),
      });
      const record = await abortable(started, context.signal);
      return { vm: toVm(record), stages: stagesOf(record) };
    },

    async deleteVm({ sandboxId, epoch }, { signal }) {
      await abortable(deleteVm(deps, sandboxId, epochOf(epoch)), signal);
      return {};
    },

    async setVmAccess({ sandboxId, epoch, access }, { signal }) {
      if (access) await abortable(setVmAccess(deps, sandboxId, epochOf(epoch), toAccess(access)), signal);
      return {};
    },

    async setVmLifecycle({ sandboxId, epoch, lifecycle }, { signal }) {
      if (lifecycle) {
        const set = setVmLifecycle(deps, sandboxId, epochOf(epoch), toLifecycle(lifecycle));
        await abortable(set, signal);
      }
      return {};
    },

    async pauseVm({ sandboxId, epoch }, { signal }) {
      const { record, stages } = await abortable(pauseVm(deps, sandboxId, epochOf(epoch)), signal);
      return { vm: toVm(record), stages: toStages(stages) };
    },

    async stopVm({ sandboxId, epoch }, { signal }) {
      const record = await abortable(stopVm(deps, { sandboxId, epoch: epochOf(epoch) }), signal);
      return record ? { vm: toVm(record) } : {};
    },

    async resumeVm(request, context) {
      const resumed = resumeVm(deps, { ...toResume(request), requestId: requestIdOf(context) });
      const record = await abortable(resumed, context.signal);
      return { vm: toVm(record), stages: stagesOf(record) };
    },

    async snapshotVm({ sandboxId, epoch, snapshotId }, { signal }) {
      const taken = snapshotVm(deps, { sandboxId, epoch: epochOf(epoch), snapshotId });
      const { manifest, stages } = await abortable(taken, signal);
      return { snapshot: toSnapshot(manifest), stages: toStages(stages) };
    },

    async rollBackVm(request, context) {
      const { snapshotId } = request;
      const rolledBack = rollBackVm(deps, { ...toResume(request), snapshotId, requestId: requestIdOf(context) });
      const record = await abortable(rolledBack, context.signal);
      return { vm: toVm(record), stages: stagesOf(record) };
    },

    async claimVm(request, context) {
      const claimed = claimVm(deps, { ...toResume(request), env: request.env, requestId: requestIdOf(context) });
      const { record, stages } = await abortable(claimed, context.signal);
      return { vm: toVm(record), stages: toStages(stages) };
    },

    async sealVm({ sandboxId, epoch }, { signal }) {
      return { vm: toVm(await abortable(sealVm(deps, sandboxId, epochOf(epoch)), signal)) };
    },

    async unsealVm({ sandboxId, epoch }, { signal }) {
      await abortable(unsealVm(deps, sandboxId, epochOf(epoch)), signal);
      return {};
    },

    async deleteVmSnapshot({ snapshotId }, { signal }) {
      await abortable(deleteSnapshot(deps, snapshotId), signal);
      return {};
    },

    listVmSnapshots: () => ({ snapshots: snapshots.list().map(toSnapshot) }),

    async renewLease({ duration }) {
      await lease.renew(duration ? durationMs(duration) : 0);
      void settleVms(deps); // the answer does not wait for all of them
      return {};
    },

    listVms: () => ({ vms: registry.entries().map(({ record }) => toVm(record)) }),

    async *watchVms(_, { signal }) {
      for await (const event of registry.watch({ signal, idleMs: heartbeatMs })) {
        const time = timestampFromDate(deps.now());
        switch (event.t) {
          case "vm":
            yield create(WatchVmsResponseSchema, {
              time,
              event: { case: "vm", value: toVm(event.record, event.gone) },
            });
            break;
          case "synced":
            yield create(WatchVmsResponseSchema, { time, event: { case: "synced", value: {} } });
            break;
          case "idle":
            yield create(WatchVmsResponseSchema, { time, event: { case: "heartbeat", value: {} } });
            break;
          default:
            event satisfies never;
        }
      }
    },
  };
}
