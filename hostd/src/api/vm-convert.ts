/** Between HostDaemonService's messages and the words of a VM's life. */
import { create } from "@bufbuild/protobuf";
import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type VmAccess as VmAccessMessage,
  type VmLifecycle as VmLifecycleMessage,
  VmSchema,
  VmSnapshotSchema,
  VmState,
} from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { fieldProblem } from "@daytonah/lib/problem.ts";
import type { SnapshotManifest } from "../vm/snapshot-store.ts";
import type { StageTime, VmAccess, VmLifecycle, VmRecord } from "../vm/vm-record.ts";

const states = {
  starting: VmState.STARTING,
  running: VmState.RUNNING,
  pausing: VmState.PAUSING,
  paused: VmState.PAUSED,
  resuming: VmState.RESUMING,
  failed: VmState.FAILED,
  deleting: VmState.RUNNING, // until it is gone
} as const satisfies Record<VmRecord["state"], VmState>;

export function toVm(record: VmRecord, gone = false) {
  const { sandboxId, vcpus, memoryMib, diskMib } = record;
  return create(VmSchema, {
    ...{ sandboxId, vcpus, memoryMib, diskMib },
    epoch: BigInt(record.epoch),
    state: gone ? VmState.DELETED : states[record.state],
    accessVersion: BigInt(record.access?.version ?? 0),
    lifecycleVersion: BigInt(record.lifecycle?.version ?? 0),
    standby: record.pool === "standby",
    ...(record.state === "failed"
      ? { failureReason: record.failure.reason, failureMessage: record.failure.message }
      : {}),
    ...(record.state === "paused"
      ? {
          memoryKept: record.memory !== undefined,
          expired: record.expired === true,
          sealed: record.sealed === true,
        }
      : {}),
  });
}

export function toSnapshot(manifest: SnapshotManifest) {
  const { snapshotId, sandboxId, memoryKept, vcpus, memoryMib, diskMib, template } = manifest;
  return create(VmSnapshotSchema, {
    ...{ snapshotId, sandboxId, memoryKept, vcpus, memoryMib, diskMib, template },
    epoch: BigInt(manifest.epoch),
    sizeBytes: BigInt(manifest.sizeBytes),
  });
}

export function toStages(stages: readonly StageTime[]) {
  return stages.map(({ stage, ms }) => ({ stage, duration: toDuration(ms) }));
}

/** The stages of the start or resume that a VM runs since. */
export function stagesOf(record: VmRecord) {
  return toStages(record.state === "running" ? record.stages : []);
}

/** Whole microseconds: what is finer is noise. */
function toDuration(ms: number) {
  const micros = Math.round(ms * 1_000);
  return { seconds: BigInt(Math.floor(micros / 1_000_000)), nanos: (micros % 1_000_000) * 1_000 };
}

export function toAccess({
  version,
  tokenGeneration,
  tokenSha256,
  signingKey,
  publicPorts,
}: VmAccessMessage): VmAccess {
  return {
    version: countOf("access.version", version),
    tokenGeneration: countOf("access.token_generation", tokenGeneration),
    tokenSha256: Buffer.from(tokenSha256).toString("hex"),
    signingKey: Buffer.from(signingKey).toString("hex"),
    publicPorts,
  };
}

export function toLifecycle(message: VmLifecycleMessage): VmLifecycle {
  const { version, endTime, timeout, deleteAtEnd, idleTimeout, autoResume } = message;
  return {
    ...{ version: countOf("lifecycle.version", version), deleteAtEnd, autoResume },
    ...(endTime ? { endTime: timestampMs(endTime) } : {}),
    ...(timeout ? { timeoutMs: durationMs(timeout) } : {}),
    ...(idleTimeout ? { idleTimeoutMs: durationMs(idleTimeout) } : {}),
  };
}

/** What commands that give a VM another epoch have in common. */
export function toResume(request: {
  readonly sandboxId: string;
  readonly epoch: bigint;
  readonly access?: VmAccessMessage | undefined;
  readonly lifecycle?: VmLifecycleMessage | undefined;
}) {
  return {
    ...{ sandboxId: request.sandboxId, epoch: epochOf(request.epoch) },
    ...(request.access ? { access: toAccess(request.access) } : {}),
    ...(request.lifecycle ? { lifecycle: toLifecycle(request.lifecycle) } : {}),
  };
}

export function epochOf(epoch: bigint): number {
  return countOf("epoch", epoch);
}

function countOf(field: string, count: bigint): number {
  if (count > BigInt(Number.MAX_SAFE_INTEGER)) throw fieldProblem(field, "it is beyond what can be counted to");
  return Number(count);
}
