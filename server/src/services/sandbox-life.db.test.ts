import { ConnectError } from "@connectrpc/connect";
import { HostService } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { expect, test } from "vitest";
import { sandboxMovesIn, takeAbandoned } from "../db/claims.ts";
import { type SandboxRow, sandboxById } from "../db/sandboxes.ts";
import { createFakeHost } from "../hosts/fake-host.ts";
import { failureOf } from "../testing/failure-of.ts";
import { testDatabase } from "../testing/test-database.ts";
import { type TestServer, testServer, until } from "../testing/test-server.ts";
import { twoHosts } from "../testing/two-hosts.ts";
import { undoCreate } from "./delete-sandbox.ts";
import type { ServiceDeps } from "./deps.ts";

/** StartVm stays open until `go`. */
function holdStarts(server: TestServer): { readonly begun: Promise<string>; readonly go: () => void } {
  const begun = Promise.withResolvers<string>();
  const gate = Promise.withResolvers<void>();
  server.host.onStart = ({ sandboxId }) => {
    begun.resolve(sandboxId);
    return gate.promise;
  };
  return { begun: begun.promise, go: gate.resolve };
}

async function stateOf(server: TestServer, id: string): Promise<string | undefined> {
  const { rows } = await server.database.pool.query("select state from sandboxes where id = $1", [id]);
  return rows[0]?.state;
}

test("a sandbox is created, found and deleted, each move with its event", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const created = await sandboxes.createSandbox({ env: { SECRET: "x" }, metadata: { a: "b" } });
  const sandboxId = created.sandbox?.id ?? "";
  expect(sandboxId).toMatch(/^[a-z0-9]{20}$/);
  expect(created.sandbox).toMatchObject({
    state: SandboxState.RUNNING,
    template: "base",
    resources: { vcpus: 1, memoryMib: 512, diskMib: 2048 },
    metadata: { a: "b" },
    epoch: 1n,
    hostId: "h1",
  });
  expect(created.stages.map(({ stage }) => stage)).toEqual(["queue", "vmm"]);
  expect(created.accessToken).toMatch(/^dnah_sbx_/);
  const { rows } = await server.database.pool.query("select env from sandboxes");
  expect(rows).toEqual([{ env: null }]); // it may hold secrets, and is not needed any more

  await sandboxes.deleteSandbox({ sandboxId });
  expect(server.host.vms.size).toBe(0);
  expect(await failureOf(sandboxes.getSandbox({ sandboxId }))).toMatchObject({ reason: "SANDBOX_NOT_FOUND" });
  expect(await failureOf(sandboxes.deleteSandbox({ sandboxId }))).toMatchObject({ reason: "SANDBOX_NOT_FOUND" });
  const events = await server.database.pool.query("select kind from events order by id");
  expect(events.rows.map(({ kind }) => kind)).toEqual([
    "sandbox.creating",
    "sandbox.running",
    "sandbox.deleting",
    "sandbox.deleted",
  ]);
});

test("the same idempotency key makes one VM: one after the other, at once, and with another request", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const starts = holdStarts(server);
  const calls = Array.from({ length: 4 }, () =>
    sandboxes.createSandbox({ idempotencyKey: "k", env: { A: "1", B: "2" } }),
  );
  await starts.begun;
  starts.go();
  const answers = await Promise.all(calls);
  const later = await sandboxes.createSandbox({ idempotencyKey: "k", env: { B: "2", A: "1" } });
  expect(new Set([...answers, later].map(({ sandbox }) => sandbox?.id)).size).toBe(1);
  expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
  expect(later).toMatchObject({ replayed: true, accessToken: answers[0]?.accessToken });
  expect(server.host.vms.size).toBe(1);
  expect(await failureOf(sandboxes.createSandbox({ idempotencyKey: "k" }))).toMatchObject({
    code: "AlreadyExists",
    reason: "IDEMPOTENCY_KEY_REUSED",
    metadata: { idempotency_key: "k" },
  });
  await sandboxes.deleteSandbox({ sandboxId: later.sandbox?.id ?? "" });
  expect(await failureOf(sandboxes.createSandbox({ idempotencyKey: "k", env: { A: "1", B: "2" } }))).toMatchObject({
    code: "Aborted",
    reason: "SANDBOX_STATE_CONFLICT",
    metadata: { state: "deleted" },
  });
});

test("a client that goes away during create leaves no VM", async () => {
  await using server = await testServer();
  const starts = holdStarts(server);
  const abort = new AbortController();
  const call = server.client(SandboxService).createSandbox({}, { signal: abort.signal });
  const id = await starts.begun;
  abort.abort();
  await expect(call).rejects.toThrow(ConnectError);
  await until(async () => (await stateOf(server, id)) === "deleted");
  starts.go();
  expect(server.host.vms.size).toBe(0);
});

test("one that gave a key finds its sandbox when it asks again", async () => {
  await using server = await testServer();
  const starts = holdStarts(server);
  const abort = new AbortController();
  const sandboxes = server.client(SandboxService);
  const call = sandboxes.createSandbox({ idempotencyKey: "k" }, { signal: abort.signal });
  const id = await starts.begun;
  abort.abort();
  await expect(call).rejects.toThrow(ConnectError);
  starts.go();
  const { sandbox, replayed } = await sandboxes.createSandbox({ idempotencyKey: "k" });
  expect([sandbox?.id, replayed, server.host.vms.size]).toEqual([id, true, 1]);
});

test("delete during create: the delete succeeds, the create is a conflict, no VM is left", async () => {
  await using server = await testServer();
  const starts = holdStarts(server);
  const sandboxes = server.client(SandboxService);
  const create = failureOf(sandboxes.createSandbox({}));
  const sandboxId = await starts.begun;
  await sandboxes.deleteSandbox({ sandboxId });
  starts.go();
  expect(await create).toMatchObject({
    code: "Aborted",
    reason: "SANDBOX_STATE_CONFLICT",
    metadata: { sandbox_id: sandboxId, state: "deleted" },
  });
  expect(server.host.vms.size).toBe(0);
  expect(await stateOf(server, sandboxId)).toBe("deleted");
});

test("two deletes at once: one does it, the other finds it gone; with the same key both are OK", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const { sandbox } = await sandboxes.createSandbox({});
  const sandboxId = sandbox?.id ?? "";
  const outcomes = await Promise.allSettled([
    sandboxes.deleteSandbox({ sandboxId }),
    sandboxes.deleteSandbox({ sandboxId }),
  ]);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  const rejected = outcomes.find((outcome) => outcome.status === "rejected");
  expect(await failureOf(Promise.reject(rejected?.reason))).toMatchObject({ reason: "SANDBOX_NOT_FOUND" });

  const second = (await sandboxes.createSandbox({})).sandbox?.id ?? "";
  const keyed = () => sandboxes.deleteSandbox({ sandboxId: second, idempotencyKey: "d" });
  await Promise.all([keyed(), keyed()]);
  await keyed();
  expect(server.host.calls.filter((call) => call === `delete ${second} 1`)).toHaveLength(1);
});

test("a VM that does not come up fails its create with the host's reason and leaves nothing on the host", async () => {
  await using server = await testServer();
  server.host.onStart = async () => {
    throw problem("BOOT_FAILED", "The agent did not answer.", { metadata: { stage: "agent" } });
  };
  const sandboxes = server.client(SandboxService);
  const failure = await failureOf(sandboxes.createSandbox({ idempotencyKey: "k" }));
  expect(failure).toMatchObject({ code: "Internal", reason: "BOOT_FAILED", metadata: { stage: "agent" } });
  const sandboxId = failure.metadata.sandbox_id ?? "";
  const { sandbox } = await sandboxes.getSandbox({ sandboxId });
  expect(sandbox).toMatchObject({ state: SandboxState.FAILED, failure: { reason: "BOOT_FAILED" }, hostId: "" });
  await until(() => server.host.vms.size === 0);
  expect(await failureOf(sandboxes.createSandbox({ idempotencyKey: "k" }))).toMatchObject({ reason: "BOOT_FAILED" });
  await sandboxes.deleteSandbox({ sandboxId });
});

test("what the VMM takes for each VM is counted as the host counts it", async () => {
  await using server = await testServer({ host: createFakeHost("h1", { memoryMib: 3_000n, vmOverheadMib: 500 }) });
  const sandboxes = server.client(SandboxService);
  const create = (memoryMib: number) => sandboxes.createSandbox({ resources: { memoryMib } });
  await create(1_000);
  expect(await failureOf(create(1_001))).toMatchObject({ reason: "NO_CAPACITY", retries: true });
  await create(1_000);
});

test("a host that refuses for want of room leaves neither row nor key, so that a retry starts anew", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const gate = Promise.withResolvers<void>();
  server.host.onStart = async () => {
    await gate.promise;
    throw problem("NO_CAPACITY", "The host has 12 MiB free.", { retryDelayMs: 5_000 });
  };
  const first = failureOf(sandboxes.createSandbox({ idempotencyKey: "k" }));
  await until(() => server.host.vms.size === 1);
  const second = failureOf(sandboxes.createSandbox({ idempotencyKey: "k" }));
  gate.resolve();
  const refused = { code: "ResourceExhausted", reason: "NO_CAPACITY", retries: true };
  expect(await first).toMatchObject(refused);
  expect(await second).toMatchObject(refused);
  const { rows } = await server.database.pool.query("select id from sandboxes");
  expect(rows).toEqual([]);
  await until(() => server.host.vms.size === 0);

  server.host.onStart = async () => undefined;
  expect((await sandboxes.createSandbox({ idempotencyKey: "k" })).replayed).toBe(false);
});

test("a host whose disk was full is not chosen again before it says what is free", async () => {
  await using all = await twoHosts();
  const [hosts, sandboxes] = [all.server.client(HostService), all.server.client(SandboxService)];
  await all.drainA();
  await sandboxes.createSandbox({});
  await hosts.undrainHost({ hostId: "a" }); // the emptier one
  all.a.onStart = () => Promise.reject(problem("HOST_NO_SPACE", "The disk is full."));
  expect(await failureOf(sandboxes.createSandbox({}))).toMatchObject({ reason: "HOST_NO_SPACE" });
  expect((await sandboxes.createSandbox({})).sandbox?.hostId).toBe("b");
});

test("of thirty creates at once, each over its own connection, those that fit are served and the others told when to retry", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService); // HTTP/1.1: a connection for each call that is open
  const outcomes = await Promise.allSettled(
    Array.from({ length: 30 }, () => sandboxes.createSandbox({ resources: { memoryMib: 1024 } })),
  );
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(16);
  const refused = { code: "ResourceExhausted", reason: "NO_CAPACITY", retries: true };
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") expect(await failureOf(Promise.reject(outcome.reason))).toMatchObject(refused);
  }
  const { rows } = await server.database.pool.query("select state, count(*)::int from sandboxes group by 1");
  expect(rows).toEqual([{ state: "running", count: 16 }]); // a refusal leaves nothing
});

test("the host is down: create without a key is undone, with a key it goes on; delete goes on without the caller", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const { sandbox } = await sandboxes.createSandbox({});
  const sandboxId = sandbox?.id ?? "";
  server.host.reachable = false;
  const down = { code: "Unavailable", reason: "HOST_UNAVAILABLE", retries: true, metadata: { host_id: "h1" } };
  expect(await failureOf(sandboxes.createSandbox({}))).toMatchObject(down);
  const keyed = await failureOf(sandboxes.createSandbox({ idempotencyKey: "k" }));
  expect(keyed).toMatchObject(down);
  expect(keyed.nextStep).toContain("same idempotency key");
  expect(await failureOf(sandboxes.deleteSandbox({ sandboxId }))).toMatchObject(down);
  expect(await stateOf(server, sandboxId)).toBe("deleting");

  server.host.reachable = true;
  const again = await sandboxes.createSandbox({ idempotencyKey: "k" });
  expect(again.sandbox?.id).toBe(keyed.metadata.sandbox_id);
  await until(async () => (await stateOf(server, sandboxId)) === "deleted");
  await until(async () => {
    const { rows } = await server.database.pool.query("select state from sandboxes where state <> 'deleted'");
    return rows.length === 1;
  });
  expect([...server.host.vms.keys()]).toEqual([again.sandbox?.id]);
});

test("what a server works on itself is not abandoned to it, though the claim has run out", async () => {
  await using database = await testDatabase();
  const { db, pool } = database;
  await pool.query("insert into organizations (id, name) values ('o', 'o')");
  await pool.query(`insert into sandboxes
    (id, org_id, state, epoch, template, vcpus, memory_mib, disk_mib, metadata, hardware_isolated, keyed, claim_until)
    select id, 'o', 'creating', 1, 'base', 1, 1, 1, '{}', false, false, now() - interval '1 minute'
    from unnest(array['ours', 'theirs']) id`);
  const taken = await takeAbandoned(db, sandboxMovesIn("creating"), 50, ["ours"]);
  expect(taken.map(({ id }) => id)).toEqual(["theirs"]);
});

test("a repair leaves a create alone that its server, only slow, has made since", async () => {
  await using server = await testServer();
  const { sandbox } = await server.client(SandboxService).createSandbox({});
  const { db } = server.database;
  const row = await sandboxById(db, sandbox?.id ?? "");
  await undoCreate({ db, onMoved: () => undefined } as unknown as ServiceDeps, {
    ...(row as SandboxRow),
    state: "creating",
  });
  expect(await stateOf(server, sandbox?.id ?? "")).toBe("running");
});
