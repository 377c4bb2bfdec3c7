/** What the fake platform does with a sandbox as a whole: pause, resume, snapshots, forks, tombstones. Nothing stands still in it. */
import { clone, create } from "@bufbuild/protobuf";
import { durationFromMs, durationMs, timestampFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import {
  LineageEntrySchema,
  SandboxSchema,
  type SandboxService,
  SandboxState,
} from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import {
  type Snapshot,
  SnapshotSchema,
  type SnapshotService,
  SnapshotState,
} from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import { fakeError } from "./fake-error.ts";
import { type FakeSandbox, type FakeState, newFakeSandbox, page } from "./fake-state.ts";

const stages = [{ stage: "window", duration: durationFromMs(5) }];

export function fakeLifeService(platform: FakeState) {
  const { faults, sandboxes, snapshots, tombstones } = platform;

  const moveTo = (id: string, state: SandboxState): FakeSandbox => {
    const sandbox = platform.sandbox(id);
    sandbox.info.state = state;
    sandbox.info.stateTime = timestampNow();
    return sandbox;
  };
  const snapshotOf = (id: string): Snapshot => {
    const snapshot = snapshots.get(id);
    if (snapshot) return snapshot;
    throw fakeError(Code.NotFound, "SNAPSHOT_NOT_FOUND", `There is no snapshot ${id} in your organization.`);
  };

  const sandboxLife = {
    pauseSandbox: faults.unary((request, context) => {
      platform.controlPlane(context);
      const { info } = moveTo(request.sandboxId, SandboxState.PAUSED);
      info.memoryKept = true;
      return { sandbox: info, stages };
    }),
    resumeSandbox: faults.unary((request, context) => {
      platform.controlPlane(context);
      const { info, accessToken } = moveTo(request.sandboxId, SandboxState.RUNNING);
      info.epoch += 1n;
      return { sandbox: info, accessToken, stages };
    }),
    forkSandbox: faults.unary((request, context) => {
      platform.controlPlane(context);
      const parent = platform.sandbox(request.sandboxId);
      const room = platform.room - sandboxes.size;
      const results = Array.from({ length: request.count || 1 }, (_, index) => {
        if (index >= room) {
          const message = "No host has room.";
          return {
            result: { case: "failure", value: { reason: "NO_CAPACITY", message, nextStep: "Try again." } },
          } as const;
        }
        const info = clone(SandboxSchema, parent.info);
        Object.assign(info, { id: `${parent.id}f${sandboxes.size}`, parentId: parent.id, metadata: request.metadata });
        const child = newFakeSandbox(info, { ...parent.env, ...request.env });
        sandboxes.set(child.id, child);
        return { result: { case: "child", value: { sandbox: info, accessToken: child.accessToken } } } as const;
      });
      return { results, stages };
    }),
    rollBackSandbox: faults.unary((request, context) => {
      platform.controlPlane(context);
      snapshotOf(request.snapshotId);
      const { info } = moveTo(request.sandboxId, SandboxState.RUNNING);
      info.snapshotId = request.snapshotId;
      return { sandbox: info, stages };
    }),
    undeleteSandbox: faults.unary((request, context) => {
      platform.controlPlane(context);
      const tombstone = tombstones.get(request.sandboxId);
      if (tombstone) sandboxes.set(tombstone.id, tombstone);
      tombstones.delete(request.sandboxId);
      const { info } = moveTo(request.sandboxId, SandboxState.PAUSED);
      delete info.purgeTime;
      return { sandbox: info };
    }),
    setSandboxTimeout: faults.unary(({ sandboxId, timeout }, context) => {
      platform.controlPlane(context);
      const { info } = platform.sandbox(sandboxId);
      if (timeout) info.endTime = timestampFromMs(Date.now() + durationMs(timeout));
      else delete info.endTime;
      return { sandbox: info };
    }),
    getSandboxLineage: faults.unary((request, context) => {
      platform.controlPlane(context);
      const entryOf = ({ info }: FakeSandbox) =>
        create(LineageEntrySchema, { sandboxId: info.id, state: info.state, snapshotId: "" });
      const { info } = platform.sandbox(request.sandboxId);
      const parent = sandboxes.get(info.parentId);
      const children = [...sandboxes.values()].filter((one) => one.info.parentId === info.id);
      return { ancestors: parent ? [entryOf(parent)] : [], children: children.map(entryOf) };
    }),
  } satisfies Partial<ServiceImpl<typeof SandboxService>>;

  const snapshotService: ServiceImpl<typeof SnapshotService> = {
    createSnapshot: faults.unary((request, context) => {
      platform.controlPlane(context);
      const { info } = platform.sandbox(request.sandboxId);
      const { name, metadata, sandboxId } = request;
      const snapshot = create(SnapshotSchema, {
        ...{ name, metadata, sandboxId, template: info.template, hostId: info.hostId, memoryKept: true },
        id: `snap_${snapshots.size + 1}`,
        state: SnapshotState.READY,
        ...(info.resources ? { resources: info.resources } : {}),
        createTime: timestampNow(),
        sizeBytes: 3n * 1024n * 1024n,
      });
      snapshots.set(snapshot.id, snapshot);
      return { snapshot, stages };
    }),
    getSnapshot: faults.unary((request, context) => {
      platform.controlPlane(context);
      return { snapshot: snapshotOf(request.snapshotId) };
    }),
    listSnapshots: faults.unary((request, context) => {
      platform.controlPlane(context);
      const { sandboxId } = request;
      const all = [...snapshots.values()].filter((one) => sandboxId === "" || one.sandboxId === sandboxId);
      const { items, nextPageToken } = page(all.reverse(), request);
      return { snapshots: items, nextPageToken };
    }),
    deleteSnapshot: faults.unary((request, context) => {
      platform.controlPlane(context);
      snapshots.delete(snapshotOf(request.snapshotId).id);
      return {};
    }),
  };
  return { sandboxLife, snapshotService };
}
