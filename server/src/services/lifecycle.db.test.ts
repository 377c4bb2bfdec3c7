import { EndAction, SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { expect, test } from "vitest";
import { failureOf } from "../testing/failure-of.ts";
import { type TestServer, testServer, until } from "../testing/test-server.ts";

async function stateOf(server: TestServer, id: string): Promise<string> {
  const { rows } = await server.database.pool.query("select state from sandboxes where id = $1", [id]);
  return rows[0]?.state;
}

test("what a sandbox's time ends with is shown and told to its host", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const lifecycle = {
    timeout: { seconds: 60n },
    onTimeout: EndAction.DELETE,
    idleTimeout: { seconds: 5n },
    autoResume: true,
  };
  const { sandbox } = await sandboxes.createSandbox({ lifecycle });
  const sandboxId = sandbox?.id ?? "";
  expect(sandbox?.lifecycle).toMatchObject(lifecycle);
  expect(server.host.lifecycles.get(sandboxId)).toMatchObject({
    ...{ version: 1n, endTime: sandbox?.endTime, deleteAtEnd: true, autoResume: true, idleTimeout: { seconds: 5n } },
  });

  const later = await sandboxes.setSandboxTimeout({ sandboxId, timeout: { seconds: 3_600n } });
  const end = later.sandbox?.endTime;
  expect(Number(end?.seconds) - Number(sandbox?.endTime?.seconds)).toBeGreaterThan(3_000);
  expect(server.host.lifecycles.get(sandboxId)).toMatchObject({ version: 2n, endTime: end });
  const sooner = await sandboxes.setSandboxTimeout({ sandboxId, timeout: { seconds: 9n }, extendOnly: true });
  expect(sooner.sandbox?.endTime).toEqual(end);
  const never = await sandboxes.setSandboxTimeout({ sandboxId, extendOnly: true });
  expect([never.sandbox?.endTime, server.host.lifecycles.get(sandboxId)?.endTime]).toEqual([undefined, undefined]);
  const ending = await sandboxes.setSandboxTimeout({ sandboxId, timeout: { seconds: 9n }, extendOnly: true });
  expect(ending.sandbox?.endTime).toBeUndefined();

  await sandboxes.pauseSandbox({ sandboxId });
  expect(await failureOf(sandboxes.setSandboxTimeout({ sandboxId }))).toMatchObject({ reason: "SANDBOX_NOT_RUNNING" });
});

test("a host that was away is told of the new end as soon as it is back", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const sandboxId = (await sandboxes.createSandbox({})).sandbox?.id ?? "";
  server.host.reachable = false;
  const untold = await failureOf(sandboxes.setSandboxTimeout({ sandboxId, timeout: { seconds: 60n } }));
  expect(untold).toMatchObject({ reason: "HOST_UNAVAILABLE", retries: true, metadata: { sandbox_id: sandboxId } });
  server.host.reachable = true;
  await until(() => server.host.lifecycles.get(sandboxId)?.version === 2n);
});

test("a sandbox that its host pauses and wakes by itself is followed, and its time begins anew", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const { sandbox } = await sandboxes.createSandbox({ lifecycle: { timeout: { seconds: 600n }, autoResume: true } });
  const sandboxId = sandbox?.id ?? "";
  server.host.pauseItself(sandboxId);
  await until(async () => (await stateOf(server, sandboxId)) === "paused");
  const paused = (await sandboxes.getSandbox({ sandboxId })).sandbox;
  expect(paused).toMatchObject({ memoryKept: true, epoch: 1n });
  expect(paused?.endTime).toBeUndefined();
  server.host.wakeItself(sandboxId);
  await until(async () => (await stateOf(server, sandboxId)) === "running");
  await until(() => server.host.lifecycles.get(sandboxId)?.version === 2n);
  const woken = (await sandboxes.getSandbox({ sandboxId })).sandbox;
  expect(woken?.epoch).toBe(1n);
  expect(server.host.lifecycles.get(sandboxId)).toMatchObject({ endTime: woken?.endTime, timeout: { seconds: 600n } });
});

test("old news of a VM does not undo a pause that was asked for since", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const sandboxId = (await sandboxes.createSandbox({})).sandbox?.id ?? "";
  const running = server.host.vms.get(sandboxId);
  await sandboxes.pauseSandbox({ sandboxId });
  server.host.report({ ...running, sandboxId } as NonNullable<typeof running>);
  const other = (await sandboxes.createSandbox({})).sandbox?.id ?? "";
  server.host.kill(other); // told after it, so that is done when this is
  await until(async () => (await stateOf(server, other)) === "failed");
  const { rows } = await server.database.pool.query(
    "select kind from events where sandbox_id = $1 order by id desc limit 1",
    [sandboxId],
  );
  expect(rows).toEqual([{ kind: "sandbox.paused" }]);
});

test("a sandbox whose time was over while nobody listened is deleted; one whose end was put off is only paused", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const create = async () =>
    (await sandboxes.createSandbox({ lifecycle: { timeout: { seconds: 60n }, onTimeout: EndAction.DELETE } })).sandbox
      ?.id ?? "";
  const [over, putOff] = [await create(), await create()];
  server.host.reachable = false;
  expect(await failureOf(sandboxes.setSandboxTimeout({ sandboxId: putOff, timeout: { seconds: 99n } }))).toMatchObject({
    reason: "HOST_UNAVAILABLE",
  });
  server.host.pauseItself(over, true);
  server.host.pauseItself(putOff, true);
  server.host.reachable = true;
  await until(async () => (await stateOf(server, over)) === "deleted");
  await until(async () => (await stateOf(server, putOff)) === "paused");
  expect([...server.host.vms.keys()]).toEqual([putOff]);
  expect((await sandboxes.resumeSandbox({ sandboxId: putOff })).sandbox?.state).toBe(SandboxState.RUNNING);
});
