import { ConnectError } from "@connectrpc/connect";
import { SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { expect, test } from "vitest";
import { createFakeHost } from "../hosts/fake-host.ts";
import { failureOf } from "../testing/failure-of.ts";
import { hold } from "../testing/hold.ts";
import { type TestServer, testServer, until } from "../testing/test-server.ts";

async function newSandbox(server: TestServer): Promise<string> {
  const { sandbox } = await server.client(SandboxService).createSandbox({});
  return sandbox?.id ?? "";
}

async function rowOf(server: TestServer, id: string) {
  const { rows } = await server.database.pool.query("select state, epoch from sandboxes where id = $1", [id]);
  return rows[0];
}

function calls(server: TestServer, verb: string): number {
  return server.host.calls.filter((call) => call.startsWith(`${verb} `)).length;
}

test("a sandbox is paused and resumed, with the next epoch and the same access token", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const { sandbox, accessToken } = await sandboxes.createSandbox({ lifecycle: { timeout: { seconds: 600n } } });
  const sandboxId = sandbox?.id ?? "";
  const paused = await sandboxes.pauseSandbox({ sandboxId });
  expect(paused.sandbox).toMatchObject({ state: SandboxState.PAUSED, memoryKept: true, epoch: 1n, hostId: "h1" });
  expect(paused.sandbox?.endTime).toBeUndefined();
  expect(paused.stages.map(({ stage }) => stage)).toEqual(["memory"]);
  expect((await sandboxes.pauseSandbox({ sandboxId })).stages).toEqual([]);

  const resumed = await sandboxes.resumeSandbox({ sandboxId, timeout: { seconds: 60n } });
  expect(resumed).toMatchObject({ accessToken, sandbox: { state: SandboxState.RUNNING, epoch: 2n } });
  expect(resumed.sandbox).toMatchObject({ memoryKept: false, lifecycle: { timeout: { seconds: 60n } } });
  expect(Number(resumed.sandbox?.endTime?.seconds) * 1000 - Date.now()).toBeGreaterThan(50_000);
  expect(server.host.lifecycles.get(sandboxId)).toMatchObject({ version: 2n, endTime: resumed.sandbox?.endTime });
  expect((await sandboxes.resumeSandbox({ sandboxId })).stages).toEqual([]);
  const { rows } = await server.database.pool.query("select kind from events order by id");
  expect(rows.map(({ kind }) => kind.slice("sandbox.".length))).toEqual(
    ["creating", "running", "pausing", "paused", "resuming", "running"], // one for each move
  );
});

test("calls at once move a sandbox once; a pause that meets a resume waits for it", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const sandboxId = await newSandbox(server);
  const ten = <T>(call: () => Promise<T>) => Promise.all(Array.from({ length: 10 }, call));
  await ten(() => sandboxes.pauseSandbox({ sandboxId }));
  await ten(() => sandboxes.resumeSandbox({ sandboxId }));
  expect([calls(server, "pause"), calls(server, "resume")]).toEqual([1, 1]);

  await sandboxes.pauseSandbox({ sandboxId });
  const resuming = hold(server.host.hooks, "onResume");
  const resume = sandboxes.resumeSandbox({ sandboxId });
  await resuming.begun;
  const pause = sandboxes.pauseSandbox({ sandboxId });
  resuming.go();
  expect((await resume).sandbox).toMatchObject({ epoch: 3n });
  expect((await pause).sandbox).toMatchObject({ state: SandboxState.PAUSED, epoch: 3n });
});

test("the same key again does nothing, whatever came since; for another request it is refused", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const [sandboxId, other] = [await newSandbox(server), await newSandbox(server)];
  await sandboxes.pauseSandbox({ sandboxId, idempotencyKey: "p" });
  await sandboxes.resumeSandbox({ sandboxId, idempotencyKey: "r" });
  const late = await sandboxes.pauseSandbox({ sandboxId, idempotencyKey: "p" });
  expect(late.sandbox?.state).toBe(SandboxState.RUNNING);
  const reused = { reason: "IDEMPOTENCY_KEY_REUSED" };
  expect(await failureOf(sandboxes.pauseSandbox({ sandboxId: other, idempotencyKey: "p" }))).toMatchObject(reused);
  const longer = { sandboxId, idempotencyKey: "r", timeout: { seconds: 9n } };
  expect(await failureOf(sandboxes.resumeSandbox(longer))).toMatchObject(reused);
});

test("a host that can't write memory down leaves the sandbox running, and the key free for another try", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const sandboxId = await newSandbox(server);
  server.host.hooks.onPause = async () => {
    throw problem("SNAPSHOT_FAILED", "The disk is full.", { metadata: { stage: "memory" } });
  };
  const keyed = { sandboxId, idempotencyKey: "k" };
  expect(await failureOf(sandboxes.pauseSandbox(keyed))).toMatchObject({
    ...{ code: "Internal", reason: "SNAPSHOT_FAILED", metadata: { stage: "memory", sandbox_id: sandboxId } },
  });
  expect(await rowOf(server, sandboxId)).toEqual({ state: "running", epoch: "1" });
  server.host.hooks.onPause = async () => undefined;
  expect((await sandboxes.pauseSandbox(keyed)).sandbox?.state).toBe(SandboxState.PAUSED);
});

test("a host that can't restore it leaves it paused as it was, and a later resume works", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const sandboxId = await newSandbox(server);
  await sandboxes.pauseSandbox({ sandboxId });
  server.host.hooks.onResume = async () => {
    throw problem("RESTORE_FAILED", "The agent did not answer.", { metadata: { stage: "agent" } });
  };
  expect(await failureOf(sandboxes.resumeSandbox({ sandboxId }))).toMatchObject({ reason: "RESTORE_FAILED" });
  expect(await rowOf(server, sandboxId)).toEqual({ state: "paused", epoch: "1" });
  server.host.hooks.onResume = async () => undefined;
  const { sandbox } = await sandboxes.resumeSandbox({ sandboxId });
  expect(sandbox).toMatchObject({ state: SandboxState.RUNNING, epoch: 2n });
});

test("a failed sandbox can't be paused, but starts again from its disk", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const sandboxId = await newSandbox(server);
  server.host.kill(sandboxId);
  await until(async () => (await rowOf(server, sandboxId)).state === "failed");
  expect(await failureOf(sandboxes.pauseSandbox({ sandboxId }))).toMatchObject({
    ...{ reason: "SANDBOX_NOT_RUNNING", nextStep: "Resume it: it starts again from its disk." },
  });
  const { sandbox } = await sandboxes.resumeSandbox({ sandboxId });
  expect(sandbox).toMatchObject({ state: SandboxState.RUNNING, epoch: 2n });
  expect(sandbox?.failure).toBeUndefined();
});

test("a pause or resume goes on without its client, and without the server that began it", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const [left, crashed] = [await newSandbox(server), await newSandbox(server)];
  const pausing = hold(server.host.hooks, "onPause");
  const abort = new AbortController();
  const call = sandboxes.pauseSandbox({ sandboxId: left }, { signal: abort.signal });
  await pausing.begun;
  abort.abort();
  await expect(call).rejects.toThrow(ConnectError);
  pausing.go();
  await until(async () => (await rowOf(server, left)).state === "paused");

  const again = hold(server.host.hooks, "onPause");
  const resuming = hold(server.host.hooks, "onResume");
  const lost = Promise.allSettled([
    sandboxes.pauseSandbox({ sandboxId: crashed }),
    sandboxes.resumeSandbox({ sandboxId: left }),
  ]);
  await Promise.all([again.begun, resuming.begun]);
  server.daemon.cutConnections();
  await server.stop();
  await lost;
  expect([(await rowOf(server, crashed)).state, (await rowOf(server, left)).state]).toEqual(["pausing", "resuming"]);
  await using _ = await server.another();
  again.go();
  resuming.go();
  await until(async () => (await rowOf(server, crashed)).state === "paused");
  await until(async () => (await rowOf(server, left)).state === "running");
  expect(server.host.vms.get(left)?.epoch).toBe(2n);
});

test("delete wins over a pause and a resume, and leaves no VM", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  for (const [hook, call] of [
    ["onPause", "pauseSandbox"],
    ["onResume", "resumeSandbox"],
  ] as const) {
    const sandboxId = await newSandbox(server);
    server.host.hooks.onPause = async () => undefined;
    if (hook === "onResume") await sandboxes.pauseSandbox({ sandboxId });
    const held = hold(server.host.hooks, hook);
    const moving = failureOf(sandboxes[call]({ sandboxId }));
    await held.begun;
    await sandboxes.deleteSandbox({ sandboxId });
    held.go();
    expect(await moving).toMatchObject({ metadata: { sandbox_id: sandboxId } });
    expect([server.host.vms.size, (await rowOf(server, sandboxId)).state]).toEqual([0, "deleted"]);
  }
});

test("the host is down: a resume is HOST_UNAVAILABLE and goes on as soon as the host is back", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const sandboxId = await newSandbox(server);
  await sandboxes.pauseSandbox({ sandboxId });
  server.host.reachable = false;
  expect(await failureOf(sandboxes.resumeSandbox({ sandboxId }))).toMatchObject({
    ...{ code: "Unavailable", reason: "HOST_UNAVAILABLE", retries: true },
  });
  expect((await rowOf(server, sandboxId)).state).toBe("resuming");
  server.host.reachable = true;
  await until(async () => (await rowOf(server, sandboxId)).state === "running");
});

test("a paused sandbox holds no memory of its host; to resume it needs that again", async () => {
  await using server = await testServer({ host: createFakeHost("h1", { memoryMib: 1_000n }) });
  const sandboxes = server.client(SandboxService);
  const create = async () => (await sandboxes.createSandbox({ resources: { memoryMib: 1_000 } })).sandbox?.id ?? "";
  const first = await create();
  await sandboxes.pauseSandbox({ sandboxId: first });
  const second = await create();
  expect(await failureOf(sandboxes.resumeSandbox({ sandboxId: first }))).toMatchObject({
    ...{ reason: "NO_CAPACITY", retries: true, metadata: { memory_mib: "1000" } },
  });
  expect(await rowOf(server, first)).toEqual({ state: "paused", epoch: "1" });
  await sandboxes.deleteSandbox({ sandboxId: second });
  await sandboxes.resumeSandbox({ sandboxId: first });
});
