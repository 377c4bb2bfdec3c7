import { HostService } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { SnapshotService, SnapshotState } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { expect, test } from "vitest";
import { failureOf } from "../../testing/failure-of.ts";
import { hold } from "../../testing/hold.ts";
import { until } from "../../testing/test-server.ts";
import { twoHosts } from "../../testing/two-hosts.ts";

test("without room elsewhere a sandbox stays and runs on, and its host says why", async () => {
  await using all = await twoHosts({ memoryMib: 300n });
  const id = await all.create();
  await all.drainA();
  await until(async () => (await all.hostA()).obstacle !== undefined);
  expect(await all.hostA()).toMatchObject({ sandboxes: 1, obstacle: { reason: "NO_CAPACITY" } });
  expect((await all.hostA()).obstacle?.message).toBe("No host has room for 512 MiB of memory.");
  expect(await all.rowOf(id)).toMatchObject({ state: "running", epoch: "1" });
  const sandboxes = all.server.client(SandboxService);
  await sandboxes.pauseSandbox({ sandboxId: id }); // without memory of its own it fits
  await until(async () => (await all.hostA()).sandboxes === 0);
  expect((await all.hostA()).obstacle).toBeUndefined();
});

test("a host of another class of processors gets none that has memory", async () => {
  await using all = await twoHosts({ cpuClass: "other" });
  const id = await all.create();
  await all.drainA();
  await until(async () => (await all.hostA()).obstacle?.reason === "NO_CAPACITY");
  all.a.kill(id); // there is no memory of it any more
  await until(async () => (await all.rowOf(id)).host_id === "b");
});

test("a host that refuses it leaves it where it was, where it runs on, until that host takes it", async () => {
  await using all = await twoHosts();
  const id = await all.create();
  all.b.hooks.onWrite = async () => {
    throw problem("HOST_NO_SPACE", "The disk is full.");
  };
  await all.drainA();
  await until(async () => (await all.hostA()).obstacle?.reason === "HOST_NO_SPACE");
  await all.untilRunsOn("a", id);
  all.b.hooks.onWrite = async () => undefined;
  await all.untilRunsOn("b", id);
});

test("the other host goes away in the middle: it runs on where it was, and moves when that one is back", async () => {
  await using all = await twoHosts();
  const id = await all.create();
  const reading = hold(all.a.hooks, "onRead");
  await all.drainA();
  await reading.begun;
  all.b.reachable = false;
  reading.go();
  await until(() => all.a.calls.includes(`unseal ${id} 1`));
  all.b.reachable = true;
  await all.untilRunsOn("b", id);
});

test("its host goes away in the middle: it waits for it, and runs on", async () => {
  await using all = await twoHosts();
  const id = await all.create();
  const writing = hold(all.b.hooks, "onWrite");
  await all.drainA();
  await writing.begun;
  all.a.reachable = false;
  await all.server.client(HostService).undrainHost({ hostId: "a" });
  writing.go();
  await until(async () => (await all.rowOf(id)).transfer === "landing");
  expect(await all.rowOf(id)).toMatchObject({ state: "paused", host_id: "a", transfer_resume: true });
  all.a.reachable = true;
  await all.untilRunsOn("a", id);
});

test("a delete wins over a move, and can be taken back where its sandbox was", async () => {
  await using all = await twoHosts({}, { config: { tombstoneMs: 60_000 } });
  const sandboxes = all.server.client(SandboxService);
  const [sandboxId, purged] = [await all.create(), await all.create()];
  const held = hold(all.a.hooks, "onRead");
  await all.drainA();
  await until(() => all.b.calls.filter((call) => call.startsWith("write")).length === 2);
  await Promise.all([
    sandboxes.deleteSandbox({ sandboxId }),
    sandboxes.deleteSandbox({ sandboxId: purged, purge: true }),
  ]);
  held.go();
  await until(() => all.b.vms.size === 0);
  expect([...all.a.vms.values()]).toMatchObject([{ sandboxId, sealed: false, epoch: 1n }]);
  expect(await all.hostA()).toMatchObject({ sandboxes: 0, tombstones: 1 });
  expect(await failureOf(all.server.client(HostService).removeHost({ hostId: "a" }))).toMatchObject({
    reason: "RESOURCE_IN_USE",
  });
  await sandboxes.undeleteSandbox({ sandboxId });
  await until(async () => (await all.rowOf(sandboxId)).host_id === "b");
});

test("calls that come meanwhile wait for it, and find it where it is then", async () => {
  await using all = await twoHosts();
  const [sandboxes, snapshots] = [all.server.client(SandboxService), all.server.client(SnapshotService)];
  const sandboxId = await all.create();
  const held = hold(all.a.hooks, "onRead");
  await all.drainA();
  await held.begun;
  const longer = sandboxes.setSandboxTimeout({ sandboxId, timeout: { seconds: 900n } });
  const snapshot = snapshots.createSnapshot({ sandboxId });
  held.go();
  expect((await longer).sandbox).toMatchObject({ hostId: "b", state: SandboxState.RUNNING });
  expect((await snapshot).snapshot).toMatchObject({ hostId: "b", state: SnapshotState.READY });
});

test("a host that is gone for good is removed by force: what was on it failed, what was on its way there stays", async () => {
  await using all = await twoHosts({}, { config: { tombstoneMs: 60_000 } });
  const { server, a, b } = all;
  const [hosts, sandboxes] = [server.client(HostService), server.client(SandboxService)];
  const [running, deleted] = [await all.create(), await all.create()];
  const { snapshot } = await server.client(SnapshotService).createSnapshot({ sandboxId: running });
  await sandboxes.deleteSandbox({ sandboxId: deleted });
  await hosts.drainHost({ hostId: "a" });
  // Nothing leaves a: b is full but for what is on its way from b.
  b.hooks.onWrite = async () => {
    throw problem("HOST_NO_SPACE", "The disk is full.");
  };
  await until(async () => (await all.hostA()).obstacle?.reason === "HOST_NO_SPACE");
  await hosts.undrainHost({ hostId: "a" });
  await all.untilRunsOn("a", running);
  const leaving = await createOnB();
  const held = hold(a.hooks, "onWrite");
  await hosts.drainHost({ hostId: "b" });
  await held.begun;

  expect(await failureOf(hosts.removeHost({ hostId: "a" }))).toMatchObject({ reason: "RESOURCE_IN_USE" });
  await hosts.removeHost({ hostId: "a", force: true });
  held.go();
  const { sandbox } = await sandboxes.getSandbox({ sandboxId: running });
  expect(sandbox).toMatchObject({ state: SandboxState.FAILED, hostId: "", failure: { reason: "HOST_LOST" } });
  expect(await failureOf(sandboxes.resumeSandbox({ sandboxId: running }))).toMatchObject({
    reason: "SANDBOX_NOT_RUNNING",
  });
  await sandboxes.deleteSandbox({ sandboxId: running });
  for (const gone of [
    sandboxes.undeleteSandbox({ sandboxId: deleted }),
    sandboxes.createSandbox({ snapshotId: snapshot?.id ?? "" }),
  ]) {
    expect(await failureOf(gone)).toMatchObject({ code: "NotFound" });
  }
  await until(async () => JSON.stringify(await all.rowOf(leaving)).includes('"running","epoch":"2","host_id":"b"'));
  await until(() => server.server.statuses.size === 1);

  async function createOnB(): Promise<string> {
    await hosts.drainHost({ hostId: "a" });
    const created = await sandboxes.createSandbox({});
    await hosts.undrainHost({ hostId: "a" });
    return created.sandbox?.id ?? "";
  }
});
