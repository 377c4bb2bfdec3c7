import { ConnectError } from "@connectrpc/connect";
import { type ForkResult, SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { SnapshotService } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { expect, test } from "vitest";
import { failureOf } from "../testing/failure-of.ts";
import { hold } from "../testing/hold.ts";
import { type TestServer, testServer, until } from "../testing/test-server.ts";

async function newSandbox(server: TestServer, memoryMib = 512): Promise<string> {
  const { sandbox } = await server.client(SandboxService).createSandbox({ resources: { memoryMib } });
  return sandbox?.id ?? "";
}

const childOf = ({ result }: ForkResult) => (result.case === "child" ? result.value.sandbox : undefined);
const reasonOf = ({ result }: ForkResult) => (result.case === "failure" ? result.value.reason : undefined);

test("children are made of a running and of a paused parent, which stay as they were, and no snapshot is left", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const sandboxId = await newSandbox(server);
  const labels = { metadata: { branch: "a" }, lifecycle: { autoResume: true } };
  const { results, stages } = await sandboxes.forkSandbox({ sandboxId, count: 3, env: { A: "b" }, ...labels });
  const children = results.map(childOf);
  expect(new Set([sandboxId, ...children.map((child) => child?.id)]).size).toBe(4);
  for (const child of children) {
    expect(child).toMatchObject({ ...labels, state: SandboxState.RUNNING, parentId: sandboxId, snapshotId: "" });
  }
  const tokens = results.map(({ result }) => (result.case === "child" ? result.value.accessToken : ""));
  expect(new Set(tokens).size).toBe(3);
  expect(stages.map(({ stage }) => stage)).toEqual(["window", "vmm"]);

  await sandboxes.pauseSandbox({ sandboxId });
  const again = await sandboxes.forkSandbox({ sandboxId });
  expect(again.results.map(childOf)).toMatchObject([{ state: SandboxState.RUNNING }]);
  expect((await sandboxes.getSandbox({ sandboxId })).sandbox).toMatchObject({ state: SandboxState.PAUSED, epoch: 1n });
  await until(() => server.host.snapshots.size === 0);
  expect((await server.client(SnapshotService).listSnapshots({})).snapshots).toEqual([]);
  const { rows } = await server.database.pool.query("select kind, data from events where kind = 'sandbox.forked'");
  expect(rows.map(({ data }) => data)).toEqual([{ children: "3" }, { children: "1" }]);
});

test("a hundred children: as many as there is room for, a typed failure for each other, eight starting at once", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const sandboxId = await newSandbox(server, 1024);
  let now = 0;
  let most = 0;
  server.host.onStart = async () => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, 5));
    now -= 1;
  };
  const { results } = await sandboxes.forkSandbox({ sandboxId, count: 100 });
  expect(results).toHaveLength(100);
  expect(results.filter(childOf)).toHaveLength(15);
  const refused = results.filter((result) => reasonOf(result) === "NO_CAPACITY");
  expect(refused).toHaveLength(85);
  const failure = { retryDelay: {}, nextStep: expect.stringMatching(/\S/) };
  for (const { result } of refused) expect(result.value).toMatchObject(failure);
  expect(most).toBe(8);
  expect(await failureOf(sandboxes.forkSandbox({ sandboxId }))).toMatchObject({ reason: "NO_CAPACITY", retries: true });
});

test("a child that does not come up is a failure beside the others", async () => {
  await using server = await testServer();
  const sandboxId = await newSandbox(server);
  let starts = 0;
  server.host.onStart = async () => {
    if (++starts === 2) throw problem("BOOT_FAILED", "The agent did not answer.");
  };
  const { results } = await server.client(SandboxService).forkSandbox({ sandboxId, count: 3 });
  expect(results.map(reasonOf).sort()).toEqual(["BOOT_FAILED", undefined, undefined]);
});

test("the same key answers with the same children, also at once; where nothing could be made it is free again", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const sandboxId = await newSandbox(server);
  server.host.hooks.onSnapshot = async () => {
    throw problem("SNAPSHOT_FAILED", "It could not.");
  };
  const fork = () => sandboxes.forkSandbox({ sandboxId, count: 2, idempotencyKey: "k" });
  expect(await failureOf(fork())).toMatchObject({ reason: "SNAPSHOT_FAILED" });
  server.host.hooks.onSnapshot = async () => undefined;
  const [first, second] = await Promise.all([fork(), fork()]);
  const third = await fork();
  const ids = ({ results }: typeof first) => results.map((result) => childOf(result)?.id).sort();
  expect(ids(second)).toEqual(ids(first));
  expect([ids(third), third.replayed]).toEqual([ids(first), true]);
  expect(server.host.vms.size).toBe(3);
  await sandboxes.deleteSandbox({ sandboxId: ids(first)[0] ?? "" });
  const states = (await fork()).results.map((result) => childOf(result)?.state);
  expect(new Set(states)).toEqual(new Set([SandboxState.RUNNING, SandboxState.DELETED]));
  const more = { sandboxId, count: 3, idempotencyKey: "k" };
  expect(await failureOf(sandboxes.forkSandbox(more))).toMatchObject({ reason: "IDEMPOTENCY_KEY_REUSED" });
});

test("without a key, nothing is left of a fork whose client or server goes away; with one it goes on", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const sandboxId = await newSandbox(server);
  const left = hold(server.host.hooks, "onSnapshot");
  const abort = new AbortController();
  const call = sandboxes.forkSandbox({ sandboxId, count: 2 }, { signal: abort.signal });
  await left.begun;
  abort.abort();
  await expect(call).rejects.toThrow(ConnectError);
  left.go();
  await until(() => server.host.calls.some((of) => of.startsWith("delete-snapshot")));
  await until(() => server.host.vms.size === 1);

  const held = hold(server.host.hooks, "onSnapshot");
  const other = await newSandbox(server);
  const lost = Promise.allSettled([
    sandboxes.forkSandbox({ sandboxId, count: 2, idempotencyKey: "k" }),
    sandboxes.forkSandbox({ sandboxId: other, count: 2 }),
  ]);
  await until(() => server.host.calls.filter((of) => of.startsWith("snapshot")).length === 3);
  server.daemon.cutConnections();
  await server.stop();
  await lost;
  await using _ = await server.another();
  held.go();
  const states = async () => {
    const { rows } = await server.database.pool.query(
      `select parent_id, state, count(*)::int from sandboxes where parent_id is not null and state <> 'deleted'
       group by parent_id, state`,
    );
    return JSON.stringify(rows);
  };
  await until(async () => (await states()) === JSON.stringify([{ parent_id: sandboxId, state: "running", count: 2 }]));
  await until(() => server.host.snapshots.size === 0);
  expect(server.host.vms.size).toBe(4);
});

test("a host that is down during a keyed fork: the children come when it is back", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const sandboxId = await newSandbox(server);
  server.host.hooks.onSnapshot = async () => {
    server.host.reachable = false;
  };
  const fork = () => sandboxes.forkSandbox({ sandboxId, count: 2, idempotencyKey: "k" });
  expect(await failureOf(fork())).toMatchObject({ reason: "HOST_UNAVAILABLE", retries: true });
  server.host.reachable = true;
  const { results, replayed } = await fork();
  expect([results.filter(childOf).length, replayed]).toEqual([2, true]);
});
