import { SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { expect, test } from "vitest";
import { failureOf } from "../testing/failure-of.ts";
import { type TestServer, testServer, until } from "../testing/test-server.ts";

const keeping = { config: { tombstoneMs: 3_600_000 } };
const gone = { code: "NotFound", reason: "SANDBOX_NOT_FOUND" };

async function newSandbox(server: TestServer, autoResume = false): Promise<string> {
  const { sandbox } = await server.client(SandboxService).createSandbox({ lifecycle: { autoResume } });
  return sandbox?.id ?? "";
}

function passTime(server: TestServer, id: string) {
  return server.database.pool.query("update sandboxes set purge_time = now() - interval '1 s' where id = $1", [id]);
}

async function rowOf(server: TestServer, id: string) {
  const { rows } = await server.database.pool.query("select state, host_id from sandboxes where id = $1", [id]);
  return rows[0];
}

test("a delete is taken back until its time is over, and the sandbox runs again", async () => {
  await using server = await testServer(keeping);
  const sandboxes = server.client(SandboxService);
  const sandboxId = await newSandbox(server, true);
  const { purgeTime } = await sandboxes.deleteSandbox({ sandboxId, idempotencyKey: "d" });
  expect(Number(purgeTime?.seconds) * 1_000 - Date.now()).toBeGreaterThan(3_500_000);
  expect((await sandboxes.deleteSandbox({ sandboxId, idempotencyKey: "d" })).purgeTime).toEqual(purgeTime);
  expect(await failureOf(sandboxes.getSandbox({ sandboxId }))).toMatchObject(gone);
  expect(await failureOf(sandboxes.deleteSandbox({ sandboxId }))).toMatchObject(gone);
  const { sandboxes: listed } = await sandboxes.listSandboxes({ states: [SandboxState.DELETED] });
  expect(listed).toMatchObject([{ id: sandboxId, purgeTime }]);
  expect(server.host.lifecycles.get(sandboxId)?.autoResume).toBe(false); // no call wakes it

  const undelete = () => sandboxes.undeleteSandbox({ sandboxId, idempotencyKey: "u" });
  const [first, second] = await Promise.all([undelete(), undelete()]);
  expect([first.sandbox, second.sandbox]).toMatchObject([{ state: SandboxState.PAUSED }, { id: sandboxId }]);
  expect(first.sandbox?.purgeTime).toBeUndefined();
  await until(() => server.host.lifecycles.get(sandboxId)?.autoResume === true);
  expect((await sandboxes.resumeSandbox({ sandboxId })).sandbox?.state).toBe(SandboxState.RUNNING);
  expect(await failureOf(sandboxes.undeleteSandbox({ sandboxId }))).toMatchObject({ reason: "SANDBOX_STATE_CONFLICT" });
});

test("of a paused sandbox the memory is kept as well", async () => {
  await using server = await testServer(keeping);
  const sandboxes = server.client(SandboxService);
  const sandboxId = await newSandbox(server);
  await sandboxes.pauseSandbox({ sandboxId });
  await sandboxes.deleteSandbox({ sandboxId });
  expect((await sandboxes.undeleteSandbox({ sandboxId })).sandbox).toMatchObject({ memoryKept: true });
});

test("when its time is over, or a purge is asked for, nothing is left and nothing is taken back", async () => {
  await using server = await testServer(keeping);
  const sandboxes = server.client(SandboxService);
  const [late, purged, atOnce] = [await newSandbox(server), await newSandbox(server), await newSandbox(server)];
  await sandboxes.deleteSandbox({ sandboxId: late });
  await sandboxes.deleteSandbox({ sandboxId: purged });
  expect((await sandboxes.deleteSandbox({ sandboxId: atOnce, purge: true })).purgeTime).toBeUndefined();
  await sandboxes.deleteSandbox({ sandboxId: purged, purge: true });
  expect([...server.host.vms.keys()]).toEqual([late]);
  await passTime(server, late);
  await until(() => server.host.vms.size === 0);
  for (const sandboxId of [late, purged, atOnce]) {
    expect(await failureOf(sandboxes.undeleteSandbox({ sandboxId }))).toMatchObject(gone);
    expect(await failureOf(sandboxes.deleteSandbox({ sandboxId, purge: true }))).toMatchObject(gone);
  }
});

test("a purge goes on when the host or the server is back", async () => {
  await using server = await testServer(keeping);
  const sandboxes = server.client(SandboxService);
  const sandboxId = await newSandbox(server);
  await sandboxes.deleteSandbox({ sandboxId });
  server.host.reachable = false;
  expect(await failureOf(sandboxes.deleteSandbox({ sandboxId, purge: true }))).toMatchObject({
    reason: "HOST_UNAVAILABLE",
  });
  expect(await failureOf(sandboxes.undeleteSandbox({ sandboxId }))).toMatchObject(gone); // half of it may be gone
  await server.stop();
  server.host.reachable = true;
  await using _ = await server.another();
  await until(async () => (await rowOf(server, sandboxId)).host_id === null);
  expect(server.host.vms.size).toBe(0);
});

test("the host is down at the delete: it ends as a tombstone when the host is back; a VM that woke is stopped", async () => {
  await using server = await testServer(keeping);
  const sandboxes = server.client(SandboxService);
  const sandboxId = await newSandbox(server);
  server.host.reachable = false;
  expect(await failureOf(sandboxes.deleteSandbox({ sandboxId }))).toMatchObject({ reason: "HOST_UNAVAILABLE" });
  server.host.reachable = true;
  await until(async () => (await rowOf(server, sandboxId)).state === "deleted");
  expect(await rowOf(server, sandboxId)).toEqual({ state: "deleted", host_id: "h1" });
  const stops = () => server.host.calls.filter((call) => call.startsWith("stop")).length;
  const before = stops();
  server.host.wakeItself(sandboxId);
  await until(() => stops() > before);
  expect((await sandboxes.undeleteSandbox({ sandboxId })).sandbox?.state).toBe(SandboxState.PAUSED);
});
