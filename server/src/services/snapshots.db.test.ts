import { SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { SnapshotService, SnapshotState } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { expect, test } from "vitest";
import { failureOf } from "../testing/failure-of.ts";
import { hold } from "../testing/hold.ts";
import { type TestServer, testServer, until } from "../testing/test-server.ts";

async function newSandbox(server: TestServer): Promise<string> {
  const { sandbox } = await server.client(SandboxService).createSandbox({});
  return sandbox?.id ?? "";
}

async function snapshotStates(server: TestServer): Promise<string[]> {
  const { rows } = await server.database.pool.query("select state from snapshots order by create_time");
  return rows.map(({ state }) => state);
}

test("a snapshot is taken, found, started from any number of times, and deleted with its parent gone", async () => {
  await using server = await testServer();
  const [sandboxes, snapshots] = [server.client(SandboxService), server.client(SnapshotService)];
  const sandboxId = await newSandbox(server);
  const taken = await snapshots.createSnapshot({ sandboxId, name: "clean", metadata: { a: "b" } });
  const { snapshot } = taken;
  const snapshotId = snapshot?.id ?? "";
  expect(snapshotId).toMatch(/^snap_[a-z0-9]{20}$/);
  expect(snapshot).toMatchObject({
    ...{ name: "clean", sandboxId, state: SnapshotState.READY, template: "base", hostId: "h1", memoryKept: true },
    ...{ resources: { vcpus: 1, memoryMib: 512, diskMib: 2048 }, metadata: { a: "b" }, sizeBytes: 4_096n },
  });
  expect(taken.stages.map(({ stage }) => stage)).toEqual(["window"]);
  expect((await snapshots.getSnapshot({ snapshotId })).snapshot).toEqual(snapshot);
  expect((await snapshots.listSnapshots({ sandboxId })).snapshots).toEqual([snapshot]);
  await sandboxes.deleteSandbox({ sandboxId });

  const children = await Promise.all([1, 2].map(() => sandboxes.createSandbox({ snapshotId })));
  expect(children.map(({ sandbox }) => sandbox)).toMatchObject([
    { snapshotId, parentId: "", template: "base", state: SandboxState.RUNNING },
    { snapshotId, epoch: 1n, hostId: "h1" },
  ]);
  await snapshots.deleteSnapshot({ snapshotId });
  expect(server.host.snapshots.size).toBe(0);
  const gone = { code: "NotFound", reason: "SNAPSHOT_NOT_FOUND", metadata: { snapshot_id: snapshotId } };
  expect(await failureOf(snapshots.getSnapshot({ snapshotId }))).toMatchObject(gone);
  expect(await failureOf(snapshots.deleteSnapshot({ snapshotId }))).toMatchObject(gone);
  expect(await failureOf(sandboxes.createSandbox({ snapshotId }))).toMatchObject(gone);
  const { rows } = await server.database.pool.query("select kind from events where kind like 'snapshot.%' order by id");
  expect(rows.map(({ kind }) => kind)).toEqual(
    ["creating", "ready", "deleting", "deleted"].map((state) => `snapshot.${state}`),
  );
});

test("what is made from a snapshot has its size and template, and another organization can't", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const { snapshot } = await server.client(SnapshotService).createSnapshot({ sandboxId: await newSandbox(server) });
  const snapshotId = snapshot?.id ?? "";
  for (const [request, field] of [
    [{ template: "base" }, "template"],
    [{ resources: { memoryMib: 1024 } }, "resources.memory_mib"],
  ] as const) {
    expect(await failureOf(sandboxes.createSandbox({ snapshotId, ...request }))).toMatchObject({
      ...{ reason: "FIELD_INVALID", fields: [field] },
    });
  }
  await sandboxes.createSandbox({ snapshotId, resources: { memoryMib: 512 } });
  await server.database.pool.query("insert into organizations (id, name) values ('o', 'o')");
  await server.database.pool.query("update snapshots set org_id = 'o'");
  expect(await failureOf(sandboxes.createSandbox({ snapshotId }))).toMatchObject({ reason: "SNAPSHOT_NOT_FOUND" });
});

test("snapshots at once are taken one after the other; the same key makes one", async () => {
  await using server = await testServer();
  const snapshots = server.client(SnapshotService);
  const sandboxId = await newSandbox(server);
  let now = 0;
  let most = 0;
  server.host.hooks.onSnapshot = async () => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, 30));
    now -= 1;
  };
  const keyed = () => snapshots.createSnapshot({ sandboxId, idempotencyKey: "k" });
  const answers = await Promise.all([keyed(), keyed(), snapshots.createSnapshot({ sandboxId }), keyed()]);
  expect(most).toBe(1);
  expect(new Set(answers.map(({ snapshot }) => snapshot?.id)).size).toBe(2);
  expect(answers.filter(({ replayed }) => replayed)).toHaveLength(2);
  const other = { sandboxId, idempotencyKey: "k", name: "other" };
  expect(await failureOf(snapshots.createSnapshot(other))).toMatchObject({ reason: "IDEMPOTENCY_KEY_REUSED" });
});

test("one that could not be taken leaves nothing, and its key is free for another try", async () => {
  await using server = await testServer();
  const snapshots = server.client(SnapshotService);
  const sandboxId = await newSandbox(server);
  server.host.hooks.onSnapshot = async () => {
    throw problem("HOST_NO_SPACE", "The disk is full.");
  };
  const keyed = { sandboxId, idempotencyKey: "k" };
  expect(await failureOf(snapshots.createSnapshot(keyed))).toMatchObject({ reason: "HOST_NO_SPACE" });
  await until(async () => (await snapshotStates(server)).join() === "deleted");
  server.host.hooks.onSnapshot = async () => undefined;
  expect((await snapshots.createSnapshot(keyed)).replayed).toBe(false);
});

test("who waits for one that could not be taken takes it, and one that was deleted is not made again", async () => {
  await using server = await testServer();
  const snapshots = server.client(SnapshotService);
  const keyed = { sandboxId: await newSandbox(server), idempotencyKey: "k" };
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  server.host.hooks.onSnapshot = async () => {
    begun.resolve();
    await gate.promise;
    server.host.hooks.onSnapshot = async () => undefined;
    throw problem("HOST_NO_SPACE", "The disk is full.");
  };
  const first = failureOf(snapshots.createSnapshot(keyed));
  await begun.promise;
  const second = snapshots.createSnapshot(keyed);
  const waits = `select from pg_stat_activity where query like 'select%from "snapshots" where "id" = $1'`;
  await until(async () => ((await server.database.pool.query(waits)).rowCount ?? 0) > 0);
  gate.resolve();
  expect(await first).toMatchObject({ reason: "HOST_NO_SPACE" });
  const { snapshot, replayed } = await second;
  expect(replayed).toBe(false);
  await snapshots.deleteSnapshot({ snapshotId: snapshot?.id ?? "" });
  expect(await failureOf(snapshots.createSnapshot(keyed))).toMatchObject({ reason: "SNAPSHOT_NOT_FOUND" });
});

test("a server that dies leaves a keyed snapshot to the next one, and nothing of one without a key", async () => {
  await using server = await testServer();
  const snapshots = server.client(SnapshotService);
  const [keyed, unkeyed] = [await newSandbox(server), await newSandbox(server)];
  const held = hold(server.host.hooks, "onSnapshot");
  const lost = Promise.allSettled([
    snapshots.createSnapshot({ sandboxId: keyed, idempotencyKey: "k" }),
    snapshots.createSnapshot({ sandboxId: unkeyed }),
  ]);
  await until(() => server.host.calls.filter((call) => call.startsWith("snapshot")).length === 2);
  server.daemon.cutConnections();
  await server.stop();
  await lost;
  await using _ = await server.another();
  held.go();
  await until(async () => (await snapshotStates(server)).sort().join() === "deleted,ready");
  const { rows } = await server.database.pool.query("select sandbox_id from snapshots where state = 'ready'");
  expect(rows).toEqual([{ sandbox_id: keyed }]);
});

test("a snapshot that a sandbox is being made from can't be deleted; a host's leftovers are", async () => {
  await using server = await testServer();
  const [sandboxes, snapshots] = [server.client(SandboxService), server.client(SnapshotService)];
  const sandboxId = await newSandbox(server);
  const { snapshot } = await snapshots.createSnapshot({ sandboxId });
  const snapshotId = snapshot?.id ?? "";
  const begun = Promise.withResolvers<string>();
  const gate = Promise.withResolvers<void>();
  server.host.onStart = (id) => {
    begun.resolve(id.sandboxId);
    return gate.promise;
  };
  const create = sandboxes.createSandbox({ snapshotId });
  const child = await begun.promise;
  expect(await failureOf(snapshots.deleteSnapshot({ snapshotId }))).toMatchObject({
    ...{ code: "FailedPrecondition", reason: "RESOURCE_IN_USE", metadata: { used_by: `sandbox ${child}` } },
  });
  gate.resolve();
  await create;

  await server.database.pool.query("update snapshots set state = 'deleted'");
  await server.host.snapshotVm({ sandboxId, epoch: 1n, snapshotId: "snap_unknown" }, {});
  server.host.cutWatchers();
  await until(() => !server.host.snapshots.has(snapshotId));
  expect([...server.host.snapshots.keys()]).toEqual(["snap_unknown"]);
});
