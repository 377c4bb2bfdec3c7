/** Sandboxes: rows to protobuf, requests to inputs. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type CreateSandboxRequest,
  EndAction,
  type LineageEntrySchema,
  type Lifecycle as ProtoLifecycle,
  SandboxState as ProtoState,
  type Sandbox,
  SandboxSchema,
  type StageTimeSchema,
} from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import type { Relative } from "../db/lineage.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import type { Lifecycle } from "../domain/lifecycle.ts";
import type { SandboxState } from "../domain/sandbox-state.ts";
import type { CreateSandboxInput } from "../services/create-sandbox.ts";
import type { Stage } from "../services/stages.ts";

const protoStates = {
  // Nobody's: no caller ever sees one.
  filling: ProtoState.UNSPECIFIED,
  pooled: ProtoState.UNSPECIFIED,
  creating: ProtoState.CREATING,
  running: ProtoState.RUNNING,
  pausing: ProtoState.PAUSING,
  paused: ProtoState.PAUSED,
  archiving: ProtoState.ARCHIVING,
  archived: ProtoState.ARCHIVED,
  resuming: ProtoState.RESUMING,
  lost: ProtoState.LOST,
  failed: ProtoState.FAILED,
  deleting: ProtoState.DELETING,
  deleted: ProtoState.DELETED,
} as const satisfies Record<SandboxState, ProtoState>;

const timeRuns: ReadonlySet<SandboxState> = new Set(["creating", "running", "pausing", "resuming", "lost"]);

export function sandboxFromRow(row: SandboxRow, edgeUrl: string): Sandbox {
  return create(SandboxSchema, {
    id: row.id,
    state: protoStates[row.state],
    template: row.template,
    resources: { vcpus: row.vcpus, memoryMib: row.memory_mib, diskMib: row.disk_mib },
    metadata: { ...row.metadata },
    createTime: timestampFromDate(row.create_time),
    stateTime: timestampFromDate(row.state_time),
    epoch: BigInt(row.epoch),
    hostId: row.host_id ?? "",
    hardwareIsolated: row.hardware_isolated,
    directUrl: edgeUrl,
    publicPorts: row.public_ports,
    lifecycle: {
      ...(row.timeout_ms === null ? {} : { timeout: durationFromMs(Number(row.timeout_ms)) }),
      onTimeout: row.on_timeout === "delete" ? EndAction.DELETE : EndAction.PAUSE,
      ...(row.idle_timeout_ms === null ? {} : { idleTimeout: durationFromMs(Number(row.idle_timeout_ms)) }),
      autoResume: row.auto_resume,
    },
    ...(row.end_time && timeRuns.has(row.state) ? { endTime: timestampFromDate(row.end_time) } : {}),
    parentId: row.fork_id === null ? "" : (row.parent_id ?? ""),
    snapshotId: row.snapshot_id ?? "",
    ...(row.state === "deleted" && row.purge_time ? { purgeTime: timestampFromDate(row.purge_time) } : {}),
    memoryKept: row.state === "paused" && row.memory_kept,
    ...(row.state === "failed"
      ? { failure: { reason: row.failure_reason ?? "", message: row.failure_message ?? "" } }
      : {}),
  });
}

export function relativeToProto(relative: Relative): MessageInitShape<typeof LineageEntrySchema> {
  return {
    ...{ sandboxId: relative.id, state: protoStates[relative.state] },
    snapshotId: relative.fork_id === null ? (relative.snapshot_id ?? "") : "",
    createTime: timestampFromDate(relative.create_time),
  };
}

/** The rule in the proto has let known states through only. */
export function statesFromProto(states: readonly number[]): readonly SandboxState[] {
  const entries = Object.entries(protoStates) as [SandboxState, ProtoState][];
  return entries.filter(([, proto]) => states.includes(proto)).map(([state]) => state);
}

export function createInputOf(orgId: string, request: CreateSandboxRequest): CreateSandboxInput {
  return {
    orgId,
    template: request.template,
    snapshotId: request.snapshotId,
    size: {
      vcpus: request.resources?.vcpus ?? 0,
      memoryMib: request.resources?.memoryMib ?? 0,
      diskMib: request.resources?.diskMib ?? 0,
    },
    env: request.env,
    metadata: request.metadata,
    lifecycle: lifecycleFromProto(request.lifecycle),
    idempotencyKey: request.idempotencyKey,
  };
}

export function lifecycleFromProto(lifecycle: ProtoLifecycle | undefined): Lifecycle {
  return {
    timeoutMs: lifecycle?.timeout ? durationMs(lifecycle.timeout) : null,
    onTimeout: lifecycle?.onTimeout === EndAction.DELETE ? "delete" : "pause",
    idleTimeoutMs: lifecycle?.idleTimeout ? durationMs(lifecycle.idleTimeout) : null,
    autoResume: lifecycle?.autoResume ?? false,
  };
}

export function stageToProto({ stage, ms }: Stage): MessageInitShape<typeof StageTimeSchema> {
  return { stage, duration: durationFromMs(ms) };
}
