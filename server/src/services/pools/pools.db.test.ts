import { PoolService } from "@daytonah/gen/daytonah/v1/pool_pb.ts";
import { EndAction, SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { expect, test } from "vitest";
import { claimPoolVm, type PoolClaim } from "../../db/pool-vms.ts";
import { endless } from "../../domain/lifecycle.ts";
import { createFakeHost } from "../../hosts/fake-host.ts";
import type { ClaimPlan } from "../../hosts/host-client.ts";
import { systemClock } from "../../system-clock.ts";
import { failureOf } from "../../testing/failure-of.ts";
import { type TestServer, testServer, until } from "../../testing/test-server.ts";

const digestOf = (letter: string) => `sha256:${letter.repeat(64)}`;
const templates = (letter: string) => [{ name: "base", digest: digestOf(letter), diskMib: 2048, description: "" }];

async function poolOf(server: TestServer, minReady: number, more: { maxReady?: number; vcpus?: number } = {}) {
  const { maxReady = 0, vcpus = 1 } = more;
  await server.client(PoolService).setPool({ pool: { minReady, maxReady, resources: { vcpus } } });
  await until(async () => (await statusOf(server)).ready === minReady);
}

async function statusOf(server: TestServer) {
  const { pools } = await server.client(PoolService).listPools({});
  if (!pools[0]) throw new Error("there is no pool");
  return pools[0];
}

async function rowsOf(server: TestServer) {
  const { rows } = await server.database.pool.query(
    "select id, state, epoch, org_id from sandboxes order by create_time",
  );
  return rows as { id: string; state: string; epoch: string; org_id: string | null }[];
}

const startsOf = ({ host }: TestServer) => host.calls.filter((call) => call.startsWith("start "));

test("a create takes a VM that waits, with everything that was asked for, and the pool is filled up again", async () => {
  await using server = await testServer();
  const claims: ClaimPlan[] = [];
  server.host.hooks.onClaim = async (plan) => void claims.push(plan);
  await poolOf(server, 1);
  const [waiting] = await rowsOf(server);
  const sandboxes = server.client(SandboxService);
  // Nobody's: it is in no list, can't be got or deleted, and nothing was told of it.
  expect((await sandboxes.listSandboxes({ states: [SandboxState.CREATING] })).sandboxes).toEqual([]);
  expect(await failureOf(sandboxes.getSandbox({ sandboxId: waiting?.id ?? "" }))).toMatchObject({
    reason: "SANDBOX_NOT_FOUND",
  });
  expect(await failureOf(sandboxes.deleteSandbox({ sandboxId: waiting?.id ?? "" }))).toMatchObject({
    reason: "SANDBOX_NOT_FOUND",
  });
  expect(server.host.accesses.size).toBe(0);

  const created = await sandboxes.createSandbox({
    env: { SECRET: "x" },
    metadata: { a: "b" },
    lifecycle: { timeout: { seconds: 60n }, onTimeout: EndAction.DELETE, autoResume: true },
  });
  expect(created.stages.map(({ stage }) => stage)).toEqual(["claim", "personalize"]);
  expect(created.sandbox).toMatchObject({
    id: waiting?.id,
    state: SandboxState.RUNNING,
    epoch: 2n,
    metadata: { a: "b" },
    resources: { vcpus: 1, memoryMib: 512, diskMib: 2048 },
    lifecycle: { timeout: { seconds: 60n }, onTimeout: EndAction.DELETE, autoResume: true },
  });
  expect(claims).toMatchObject([
    { epoch: 2n, env: { SECRET: "x" }, lifecycle: { deleteAtEnd: true, autoResume: true } },
  ]);
  expect(server.host.accesses.get(waiting?.id ?? "")?.version).toBe(1n);
  const { rows } = await server.database.pool.query("select kind, epoch from events order by id");
  expect(rows).toEqual([
    { kind: "sandbox.creating", epoch: "2" },
    { kind: "sandbox.running", epoch: "2" },
  ]);
  await until(async () => (await statusOf(server)).ready === 1);
  expect(await statusOf(server)).toMatchObject({ wanted: 1, filling: 0, hits: 1n, misses: 0n });
  await sandboxes.deleteSandbox({ sandboxId: waiting?.id ?? "" });
});

test("an empty pool, and one of another size, fall back to a cold start in the same call", async () => {
  await using server = await testServer();
  await poolOf(server, 0, { maxReady: 5 });
  const sandboxes = server.client(SandboxService);
  server.host.onStart = () => systemClock.sleep(50, {}); // no VM of the pool is there before the next create
  const [first, other] = await Promise.all([
    sandboxes.createSandbox({}),
    sandboxes.createSandbox({ resources: { vcpus: 2 } }),
  ]);
  for (const { stages, sandbox } of [first, other]) {
    expect([stages.map(({ stage }) => stage), sandbox?.epoch]).toEqual([["queue", "vmm"], 1n]);
  }
  expect(await statusOf(server)).toMatchObject({ hits: 0n, misses: 1n });
});

test("many creates at once: each VM goes to one of them, whatever is left starts cold; a key is claimed for once", async () => {
  await using server = await testServer();
  await poolOf(server, 4);
  const sandboxes = server.client(SandboxService);
  const keyed = Array.from({ length: 4 }, () => sandboxes.createSandbox({ idempotencyKey: "k" }));
  const others = Array.from({ length: 6 }, () => sandboxes.createSandbox({}));
  const answers = await Promise.all([...keyed, ...others]);
  const again = await sandboxes.createSandbox({ idempotencyKey: "k" });
  const ids = answers.map(({ sandbox }) => sandbox?.id);
  expect(new Set(ids.slice(0, 4))).toEqual(new Set([again.sandbox?.id]));
  expect(answers.filter(({ replayed }) => replayed)).toHaveLength(3);
  expect(new Set(ids).size).toBe(7);
  // One of the four may be passed over: a second call of the key holds it until it sees that the first was faster.
  expect(answers.filter(({ stages }) => stages[0]?.stage === "claim").length).toBeGreaterThanOrEqual(3);
  expect(await failureOf(sandboxes.createSandbox({ idempotencyKey: "k", env: { A: "1" } }))).toMatchObject({
    reason: "IDEMPOTENCY_KEY_REUSED",
  });
  const owned = (await rowsOf(server)).filter(({ org_id }) => org_id !== null);
  expect(owned.map(({ state }) => state)).toEqual(Array.from({ length: 7 }, () => "running"));
});

test("a VM that died while it waited is not handed out: known, or found out by the claim", async () => {
  await using server = await testServer();
  await poolOf(server, 1);
  const [died] = await rowsOf(server);
  server.host.kill(died?.id ?? "");
  await until(async () => (await rowsOf(server)).every(({ id }) => id !== died?.id));
  await until(async () => (await statusOf(server)).ready === 1);

  // Whole rows that are gone, and VMs that are gone with their host's records.
  const [vanished] = await rowsOf(server);
  server.host.reachable = false;
  server.host.forget(vanished?.id ?? "");
  server.host.reachable = true;
  await until(async () => (await rowsOf(server)).every(({ id }) => id !== vanished?.id));
  await until(async () => (await statusOf(server)).ready === 1);

  const [unnoticed] = await rowsOf(server);
  server.host.hooks.onClaim = async () => {
    throw problem("VM_DIED", "The VM's process has ended.");
  };
  const { sandbox, stages } = await server.client(SandboxService).createSandbox({ env: { A: "1" } });
  expect(sandbox).toMatchObject({ id: unnoticed?.id, epoch: 3n, state: SandboxState.RUNNING });
  expect(stages.map(({ stage }) => stage)).toEqual(["claim", "vmm"]);
  expect(server.host.vms.get(unnoticed?.id ?? "")).toMatchObject({ epoch: 3n, standby: false });
  // Room is counted once.
  const { rows } = await server.database.pool.query("select vms, disk_mib from host_loads");
  await until(async () => (await statusOf(server)).ready === 1);
  expect((await server.database.pool.query("select vms, disk_mib from host_loads")).rows, JSON.stringify(rows)).toEqual(
    [{ vms: 2, disk_mib: "0" }],
  );
});

test("a server that dies while it fills or claims: another ends the one, finishes or ends the other", async () => {
  await using server = await testServer();
  await poolOf(server, 3);
  const { db, pool } = server.database;
  await pool.query("update pools set min_ready = 0, max_ready = 0, fill_after = clock_timestamp() + interval '1 hour'");
  await server.stop();
  const orgId = (await pool.query("select id from organizations")).rows[0].id as string;
  const claim: PoolClaim = {
    ...{ orgId, template: "base", vcpus: 1, memoryMib: 512, diskMib: 0, env: { A: "1" }, metadata: {} },
    ...{ lifecycle: endless, key: undefined, now: new Date() },
  };
  const key = { orgId, rpc: "CreateSandbox", key: "k", digest: Buffer.alloc(32) };
  const keyed = await claimPoolVm(db, { ...claim, key });
  const unkeyed = await claimPoolVm(db, claim);
  expect(await claimPoolVm(db, { ...claim, key })).toBeUndefined();
  await pool.query("update sandboxes set state = 'filling' where state = 'pooled'");
  await pool.query("update sandboxes set claim_until = clock_timestamp() - interval '1 second'");
  await using _ = await server.another();
  await until(async () => (await rowsOf(server)).every(({ state }) => state === "running" || state === "deleted"));
  const states = new Map((await rowsOf(server)).map(({ id, state }) => [id, state]));
  expect(states).toEqual(
    new Map([
      [keyed?.id, "running"],
      [unkeyed?.id, "deleted"],
    ]),
  );
  expect([...server.host.vms.keys()]).toEqual([keyed?.id]);
  expect(server.host.calls).toContain(`claim ${keyed?.id} 2`);
});

test("two servers fill one pool once; a deleted pool leaves nothing", async () => {
  await using server = await testServer();
  await using _ = await server.another();
  server.host.onStart = () => systemClock.sleep(20, {});
  await poolOf(server, 12); // more than boot at once
  expect(startsOf(server)).toHaveLength(12);
  const pools = server.client(PoolService);
  await pools.setPool({ pool: { minReady: 2 } });
  await until(async () => (await statusOf(server)).ready === 2);
  await pools.deletePool({});
  await until(async () => (await rowsOf(server)).length === 0);
  expect(server.host.vms.size).toBe(0);
  expect(startsOf(server)).toHaveLength(12);
  expect(await failureOf(pools.deletePool({}))).toMatchObject({ reason: "RESOURCE_NOT_FOUND" });
  expect(await failureOf(pools.setPool({ pool: { template: "none" } }))).toMatchObject({
    reason: "TEMPLATE_NOT_FOUND",
  });
});

test("demand decides how many wait, within the bounds, and less when its time is over", async () => {
  let skippedMs = 0;
  const clock = { ...systemClock, now: () => Date.now() + skippedMs };
  await using server = await testServer({ clock });
  await poolOf(server, 1, { maxReady: 3 });
  const create = () => server.client(SandboxService).createSandbox({});
  await Promise.all([create(), create()]);
  await until(async () => (await statusOf(server)).ready === 2);
  await Promise.all([create(), create(), create()]);
  await until(async () => (await statusOf(server)).ready === 3);
  expect((await statusOf(server)).wanted).toBe(3);
  const { hits, misses } = await statusOf(server);
  expect(hits + misses).toBe(5n);
  skippedMs += 130_000;
  await until(async () => (await statusOf(server)).ready === 1);
  expect(await statusOf(server)).toMatchObject({ wanted: 1, hits, misses });
  expect((await server.database.pool.query("select from pool_demand")).rows).toEqual([]);
});

test("a template that has changed, and a host that is drained, end what waits", async () => {
  const offer = { templates: templates("a") as never };
  const host = createFakeHost("h1", offer);
  await using server = await testServer({ host });
  await poolOf(server, 2);
  const old = (await rowsOf(server)).map(({ id }) => id);
  offer.templates = templates("b") as never;
  await server.database.pool.query("update hosts set templates = $1", [JSON.stringify(templates("b"))]);
  const { sandbox } = await server.client(SandboxService).createSandbox({});
  expect(old).not.toContain(sandbox?.id); // also before anybody has drained it
  await until(async () => (await rowsOf(server)).every(({ id }) => !old.includes(id)));
  await until(async () => (await statusOf(server)).ready === 2);
  await server.database.pool.query("update hosts set state = 'unreachable'");
  expect((await statusOf(server)).ready).toBe(0);
  await server.database.pool.query("update hosts set state = 'ready', draining = true");
  await until(async () => (await rowsOf(server)).every(({ org_id }) => org_id !== null));
  expect(await failureOf(server.client(SandboxService).createSandbox({}))).toMatchObject({ reason: "NO_CAPACITY" });
});

test("what waits takes room; a VM that does not come up holds the pool back", async () => {
  await using server = await testServer();
  await server.client(PoolService).setPool({ pool: { minReady: 4, resources: { vcpus: 8 } } });
  await until(async () => (await statusOf(server)).ready === 2); // 16 vCPUs
  expect(await failureOf(server.client(SandboxService).createSandbox({}))).toMatchObject({ reason: "NO_CAPACITY" });
  const { sandbox } = await server.client(SandboxService).createSandbox({ resources: { vcpus: 8 } });
  await server.client(SandboxService).deleteSandbox({ sandboxId: sandbox?.id ?? "" });

  server.host.onStart = async () => {
    throw problem("BOOT_FAILED", "The kernel panicked.");
  };
  await server.client(PoolService).deletePool({ resources: { vcpus: 8 } });
  await until(async () => (await rowsOf(server)).every(({ state }) => state === "deleted"));
  const before = startsOf(server).length;
  await server.client(PoolService).setPool({ pool: { minReady: 1 } });
  await until(async () => startsOf(server).length > before);
  await systemClock.sleep(1_500, {}); // three turns: what must not happen can't be waited for
  expect(startsOf(server)).toHaveLength(before + 1);
  expect(await statusOf(server)).toMatchObject({ ready: 0, filling: 0 });
});
