/** Several servers on one database, killed at random moments. DNAH_TEST_SEED plays a run again. */
import { randomInt, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { PoolService } from "@daytonah/gen/daytonah/v1/pool_pb.ts";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { expect, test } from "vitest";
import { createFakeHost } from "./hosts/fake-host.ts";
import { systemClock } from "./system-clock.ts";
import { openTestPki, startJoinedHostDaemon } from "./testing/joined-host-daemon.ts";
import { type ServerProcess, startServerProcess } from "./testing/server-process.ts";
import { tempDir } from "./testing/temp-dir.ts";
import { testDatabase } from "./testing/test-database.ts";
import { connectTransport, until } from "./testing/test-server.ts";

const seed = Number(process.env.DNAH_TEST_SEED ?? randomInt(2 ** 31));
const [servers, creates, lanes, kills] = [3, 60, 6, 5];

/** mulberry32: below 1. */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test(`${servers} servers, killed at random: no create twice, no claim twice, nothing left over (seed ${seed})`, {
  timeout: 150_000,
}, async () => {
  const random = randomFrom(seed);
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(tempDir());
  const database = stack.use(await testDatabase());
  const secretFile = join(dir.path, "secret");
  const pki = await openTestPki(database.db, secretFile);
  const hosts = ["h1", "h2"].map((id) =>
    createFakeHost(id, { vcpus: 200, memoryMib: 200_000n, diskFreeMib: 1_000_000n }),
  );
  for (const host of hosts) stack.use(await startJoinedHostDaemon({ db: database.db, pki, host }));
  const keyFile = join(dir.path, "admin.key");
  const start = () =>
    startServerProcess({
      ...{ DNAH_DATABASE_URL: database.url, DNAH_SECRET_FILE: secretFile, DNAH_BOOTSTRAP_KEY_FILE: keyFile },
    });
  const running: ServerProcess[] = [await start()];
  stack.defer(async () => {
    await Promise.all(running.map((server) => server.kill("SIGKILL")));
  });
  while (running.length < servers) running.push(await start());
  const key = readFileSync(keyFile, "utf8").trim();
  const transportOf = (server: ServerProcess) => connectTransport(server.url, { authorization: `Bearer ${key}` });
  const anyServer = () => running[Math.floor(random() * running.length)] as ServerProcess;
  const pool = { template: "base", resources: { vcpus: 1, memoryMib: 512, diskMib: 0 }, minReady: 4, maxReady: 4 };
  await createClient(PoolService, transportOf(anyServer())).setPool({ pool });

  // What clients were told: one id for each key, however often and wherever it was asked with.
  const told = new Map<string, Set<string>>();
  const createOnce = async (idempotencyKey: string) => {
    const ids = new Set<string>();
    told.set(idempotencyKey, ids);
    await until(async () => {
      const sandboxes = createClient(SandboxService, transportOf(anyServer()));
      const asked = () => sandboxes.createSandbox({ idempotencyKey }, { timeoutMs: 5_000 }).catch(() => undefined);
      // Half of the keys at two servers at once.
      for (const answer of await Promise.all(random() < 0.5 ? [asked()] : [asked(), asked()])) {
        if (answer?.sandbox) ids.add(answer.sandbox.id);
      }
      return ids.size > 0;
    }, 60_000);
  };
  const keys = Array.from({ length: creates }, () => randomUUID());
  const queue = [...keys];
  const lane = async () => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) await createOnce(next);
  };
  const clients = Promise.all(Array.from({ length: lanes }, lane));
  for (let kill = 0; kill < kills; kill++) {
    await systemClock.sleep(200 + random() * 800, {});
    const [victim] = running.splice(Math.floor(random() * running.length), 1);
    await victim?.kill("SIGKILL");
    running.push(await start());
  }
  await clients;

  expect([...told.values()].map((ids) => ids.size)).toEqual(Array.from({ length: creates }, () => 1));
  const acknowledged = new Set([...told.values()].flatMap((ids) => [...ids]));
  expect(acknowledged.size).toBe(creates);
  const vmsNow = () => hosts.flatMap((host) => [...host.vms.keys()]);
  const rowsIn = async (...states: string[]) => {
    const { rows } = await database.pool.query<{ id: string }>(
      "select id from sandboxes where state = any($1) order by id",
      [states],
    );
    return rows.map(({ id }) => id);
  };
  await until(async () => {
    const settled = (await rowsIn("creating", "deleting", "filling")).length === 0;
    const waiting = (await rowsIn("pooled")).length;
    return settled && waiting === 4 && vmsNow().length === creates + waiting;
  }, 60_000);
  expect(await rowsIn("running")).toEqual([...acknowledged].sort());
  expect(vmsNow().sort()).toEqual(await rowsIn("running", "pooled"));
  // A VM of the pool has one owner: no sandbox was claimed under two epochs, and none started on two hosts.
  const claims = hosts.flatMap(({ calls }) => calls.filter((call) => call.startsWith("claim ")));
  expect(claims).not.toEqual([]);
  expect(new Set(claims.map((call) => call.split(" ")[1])).size).toBe(new Set(claims).size);
  for (const id of acknowledged) {
    expect(hosts.filter(({ calls }) => calls.some((call) => call.startsWith(`start ${id} `)))).toHaveLength(1);
  }
  const { rows } = await database.pool.query("select sum(vms)::int as vms from host_loads");
  expect(rows).toEqual([{ vms: creates + 4 }]);
});
