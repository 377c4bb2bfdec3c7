/** HostDaemonService: what the control plane asks of this host. */
import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type HostDaemonService,
  type VmAccess as VmAccessMessage,
  VmSchema,
  VmState,
  WatchVmsResponseSchema,
} from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { abortable } from "@daytonah/lib/deadline.ts";
import { fieldProblem } from "@daytonah/lib/problem.ts";
import { requestIdKey } from "@daytonah/lib/request-id.ts";
import { freeMemoryMib, overheadMibPerVm, usableDiskMib } from "../vm/capacity.ts";
import { deleteVm } from "../vm/delete-vm.ts";
import { setVmAccess } from "../vm/set-vm-access.ts";
import { startVm } from "../vm/start-vm.ts";
import type { VmDeps } from "../vm/vm-deps.ts";
import type { VmAccess, VmRecord } from "../vm/vm-record.ts";

const heartbeatMs = 5_000;
const mib = 1024 * 1024;

const states = {
  starting: VmState.STARTING,
  running: VmState.RUNNING,
  failed: VmState.FAILED,
  deleting: VmState.RUNNING, // until it is gone
} as const satisfies Record<VmRecord["state"], VmState>;

export interface HostFacts {
  readonly hostId: string;
  readonly version: string;
  /** Empty where it has no edge. */
  readonly edgeUrl: string;
}

export function hostService(deps: VmDeps, facts: HostFacts): Partial<ServiceImpl<typeof HostDaemonService>> {
  const instanceId = randomUUID();
  const { registry, images, size, vmm } = deps;
  const records = () => registry.entries().map(({ record }) => record);
  return {
    async getHost() {
      const { architecture, templates } = images.bundle;
      return {
        ...{ ...facts, instanceId, architecture },
        driver: vmm.name,
        hardwareIsolated: vmm.capabilities.hardwareIsolated,
        vcpus: size.vcpus,
        memoryMib: BigInt(size.memoryMib),
        vmOverheadMib: overheadMibPerVm,
        memoryFreeMib: BigInt(freeMemoryMib(size, records())),
        diskFreeMib: BigInt(usableDiskMib(await deps.store.freeDiskMib())),
        templates: templates.map(({ name, sha256, sizeBytes, description, packages }) => ({
          ...{ name, description, packages },
          digest: `sha256:${sha256}`,
          diskMib: Math.ceil(sizeBytes / mib),
        })),
      };
    },

    async startVm(request, context) {
      const { sandboxId, template, vcpus, memoryMib, diskMib, env } = request;
      const started = startVm(deps, {
        ...{ sandboxId, template, vcpus, memoryMib, diskMib, env },
        epoch: epochOf(request.epoch),
        ...(request.access ? { access: toAccess(request.access) } : {}),
        requestId: context.values.get(requestIdKey),
      });
      const record = await abortable(started, context.signal);
      const stages = record.state === "running" ? record.stages : [];
      return {
        vm: toVm(record, false),
        stages: stages.map(({ stage, ms }) => ({ stage, duration: toDuration(ms) })),
      };
    },

    async deleteVm({ sandboxId, epoch }, context) {
      await abortable(deleteVm(deps, sandboxId, epochOf(epoch)), context.signal);
      return {};
    },

    async setVmAccess({ sandboxId, epoch, access }, context) {
      if (access) await abortable(setVmAccess(deps, sandboxId, epochOf(epoch), toAccess(access)), context.signal);
      return {};
    },

    listVms: () => ({ vms: records().map((record) => toVm(record, false)) }),

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

function toVm(record: VmRecord, gone: boolean) {
  const { sandboxId, vcpus, memoryMib, diskMib } = record;
  return create(VmSchema, {
    ...{ sandboxId, vcpus, memoryMib, diskMib },
    epoch: BigInt(record.epoch),
    state: gone ? VmState.DELETED : states[record.state],
    accessVersion: BigInt(record.access?.version ?? 0),
    ...(record.state === "failed"
      ? { failureReason: record.failure.reason, failureMessage: record.failure.message }
      : {}),
  });
}

/** Whole microseconds: what is finer is noise. */
function toDuration(ms: number) {
  const micros = Math.round(ms * 1_000);
  return { seconds: BigInt(Math.floor(micros / 1_000_000)), nanos: (micros % 1_000_000) * 1_000 };
}

function toAccess({ version, tokenGeneration, tokenSha256, signingKey, publicPorts }: VmAccessMessage): VmAccess {
  return {
    version: countOf("access.version", version),
    tokenGeneration: countOf("access.token_generation", tokenGeneration),
    tokenSha256: Buffer.from(tokenSha256).toString("hex"),
    signingKey: Buffer.from(signingKey).toString("hex"),
    publicPorts,
  };
}

function epochOf(epoch: bigint): number {
  return countOf("epoch", epoch);
}

function countOf(field: string, count: bigint): number {
  if (count > BigInt(Number.MAX_SAFE_INTEGER)) throw fieldProblem(field, "it is beyond what can be counted to");
  return Number(count);
}
