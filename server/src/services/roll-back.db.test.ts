import { SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { SnapshotService } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { expect, test } from "vitest";
import { failureOf } from "../testing/failure-of.ts";
import { hold } from "../testing/hold.ts";
import { type TestServer, testServer, until } from "../testing/test-server.ts";

async function withSnapshot(server: TestServer): Promise<{ sandboxId: string; snapshotId: string }> {
  const { sandbox } = await server.client(SandboxService).createSandbox({});
  const sandboxId = sandbox?.id ?? "";
  const { snapshot } = await server.client(SnapshotService).createSnapshot({ sandboxId });
  return { sandboxId, snapshotId: snapshot?.id ?? "" };
}

async function rowOf(server: TestServer, id: string) {
  const { rows } = await server.database.pool.query("select state, epoch from sandboxes where id = $1", [id]);
  return rows[0];
}

test("a sandbox goes back to its snapshot under the same id: running, paused or failed", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const { sandboxId, snapshotId } = await withSnapshot(server);
  const call = { sandboxId, snapshotId, idempotencyKey: "k" };
  const back = await sandboxes.rollBackSandbox(call);
  expect(back.sandbox).toMatchObject({ id: sandboxId, state: SandboxState.RUNNING, epoch: 2n, snapshotId });
  expect((await sandboxes.rollBackSandbox(call)).sandbox?.epoch).toBe(2n);
  await sandboxes.pauseSandbox({ sandboxId });
  const { sandbox: woken } = await sandboxes.rollBackSandbox({ sandboxId, snapshotId });
  expect(woken).toMatchObject({ state: SandboxState.RUNNING, epoch: 3n });
  server.host.kill(sandboxId);
  await until(async () => (await rowOf(server, sandboxId)).state === "failed");
  expect((await sandboxes.rollBackSandbox({ sandboxId, snapshotId })).sandbox?.epoch).toBe(4n);
  const { rows } = await server.database.pool.query("select data from events where kind = 'sandbox.rolled_back'");
  expect(rows).toEqual(Array.from({ length: 3 }, () => ({ data: { snapshot_id: snapshotId } })));
});

test("another sandbox's snapshot is none of its own; one that is gone back to can't be deleted meanwhile", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const [{ sandboxId, snapshotId }, other] = [await withSnapshot(server), await withSnapshot(server)];
  const foreign = { sandboxId, snapshotId: other.snapshotId };
  expect(await failureOf(sandboxes.rollBackSandbox(foreign))).toMatchObject({ reason: "SNAPSHOT_NOT_FOUND" });
  const held = hold(server.host.hooks, "onRollBack");
  const back = sandboxes.rollBackSandbox({ sandboxId, snapshotId });
  await held.begun;
  expect(await failureOf(server.client(SnapshotService).deleteSnapshot({ snapshotId }))).toMatchObject({
    ...{ reason: "RESOURCE_IN_USE", metadata: { used_by: `sandbox ${sandboxId}` } },
  });
  held.go();
  await back;
});

test("where the host can't, it runs on as it was; a server that dies leaves it to the next one; delete wins", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const { sandboxId, snapshotId } = await withSnapshot(server);
  server.host.hooks.onRollBack = async () => {
    throw problem("HOST_NO_SPACE", "The disk is full.");
  };
  const call = { sandboxId, snapshotId };
  expect(await failureOf(sandboxes.rollBackSandbox(call))).toMatchObject({ reason: "HOST_NO_SPACE" });
  expect(await rowOf(server, sandboxId)).toEqual({ state: "running", epoch: "1" });

  const deleted = await withSnapshot(server);
  const ending = hold(server.host.hooks, "onRollBack");
  const lost = failureOf(sandboxes.rollBackSandbox(deleted));
  await ending.begun;
  await sandboxes.deleteSandbox({ sandboxId: deleted.sandboxId });
  ending.go();
  await lost;
  expect([...server.host.vms.keys()]).toEqual([sandboxId]);

  const held = hold(server.host.hooks, "onRollBack");
  const cut = Promise.allSettled([sandboxes.rollBackSandbox(call)]);
  await held.begun;
  server.daemon.cutConnections();
  await server.stop();
  await cut;
  await using _ = await server.another();
  held.go();
  await until(async () => (await rowOf(server, sandboxId)).state === "running");
  expect([await rowOf(server, sandboxId), server.host.vms.get(sandboxId)?.epoch]).toEqual([
    { state: "running", epoch: "2" },
    2n,
  ]);
});

test("a sandbox's line is told: whom it comes from and what was made of it, also deleted ones", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const { sandboxId, snapshotId } = await withSnapshot(server);
  const made = (await sandboxes.createSandbox({ snapshotId })).sandbox?.id ?? "";
  const fork = async (of: string) => {
    const { result } = (await sandboxes.forkSandbox({ sandboxId: of })).results[0] ?? {};
    return result?.case === "child" ? (result.value.sandbox?.id ?? "") : "";
  };
  const child = await fork(sandboxId);
  const grandchild = await fork(child);
  await sandboxes.deleteSandbox({ sandboxId: child });
  const line = await sandboxes.getSandboxLineage({ sandboxId: grandchild });
  expect(line.ancestors.map((of) => [of.sandboxId, of.state])).toEqual([
    [child, SandboxState.DELETED],
    [sandboxId, SandboxState.RUNNING],
  ]);
  const { children } = await sandboxes.getSandboxLineage({ sandboxId });
  expect(children.map((of) => [of.sandboxId, of.snapshotId])).toEqual([
    [made, snapshotId],
    [child, ""],
  ]);
});
