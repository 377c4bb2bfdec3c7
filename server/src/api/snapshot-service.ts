/** daytonah.v1.SnapshotService. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  SnapshotState as ProtoState,
  type Snapshot,
  SnapshotSchema,
  type SnapshotService,
} from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import { sandboxOf } from "../db/sandboxes.ts";
import { listSnapshots, type SnapshotRow, snapshotOf } from "../db/snapshots.ts";
import type { SnapshotState } from "../domain/snapshot-state.ts";
import { createSnapshot } from "../services/create-snapshot.ts";
import { deleteSnapshot } from "../services/delete-snapshot.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { sandboxNotFound, snapshotNotFound } from "../services/sandbox-problems.ts";
import { callerOf } from "./admit.ts";
import { callOf } from "./interceptors.ts";
import { pageOf, sizeOfPage, timePositionOf } from "./paging.ts";
import { stageToProto } from "./sandbox-convert.ts";

export function createSnapshotService(deps: ServiceDeps): ServiceImpl<typeof SnapshotService> {
  return {
    async createSnapshot({ sandboxId, name, metadata, idempotencyKey }, context) {
      const input = { orgId: callerOf(context).orgId, sandboxId, name, metadata, idempotencyKey };
      const { row, stages, replayed } = await createSnapshot(deps, input, callOf(context));
      return { snapshot: snapshotFromRow(row), stages: stages.map(stageToProto), replayed };
    },

    async getSnapshot({ snapshotId }, context) {
      const row = await snapshotOf(deps.db, callerOf(context).orgId, snapshotId);
      if (!row || row.state === "deleted") throw snapshotNotFound(snapshotId);
      return { snapshot: snapshotFromRow(row) };
    },

    async listSnapshots(request, context) {
      const { orgId } = callerOf(context);
      const { sandboxId } = request;
      // Also one that is deleted: its snapshots are not.
      if (sandboxId !== "" && !(await sandboxOf(deps.db, orgId, sandboxId))) throw sandboxNotFound(sandboxId);
      const rows = await listSnapshots(deps.db, {
        ...{ orgId, sandboxId },
        after: timePositionOf("snapshots", request),
        limit: sizeOfPage(request) + 1,
      });
      const { page, nextPageToken } = pageOf("snapshots", rows, request, (row) => [
        String(row.create_time.getTime()),
        row.id,
      ]);
      return { snapshots: page.map(snapshotFromRow), nextPageToken };
    },

    async deleteSnapshot({ snapshotId }, context) {
      await deleteSnapshot(deps, { orgId: callerOf(context).orgId, snapshotId }, context.signal);
      return {};
    },
  };
}

const protoStates = {
  creating: ProtoState.CREATING,
  ready: ProtoState.READY,
  deleting: ProtoState.DELETING,
  // Never shown.
  deleted: ProtoState.UNSPECIFIED,
} as const satisfies Record<SnapshotState, ProtoState>;

function snapshotFromRow(row: SnapshotRow): Snapshot {
  return create(SnapshotSchema, {
    ...{
      id: row.id,
      name: row.name,
      sandboxId: row.sandbox_id,
      state: protoStates[row.state],
      hostId: row.host_id ?? "",
    },
    template: row.template,
    resources: { vcpus: row.vcpus, memoryMib: row.memory_mib, diskMib: row.disk_mib },
    metadata: { ...row.metadata },
    createTime: timestampFromDate(row.create_time),
    sizeBytes: BigInt(row.size_bytes),
    memoryKept: row.memory_kept,
    templateName: row.template_name ?? "",
  });
}
