/** Creates that a warm pool serves, on real microVMs. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client, Sandbox } from "./index.ts";

/** No other test asks for this one. */
const size = { memoryMib: 320 };

let client: Client;

beforeAll(async () => {
  const { DNAH_TEST_URL: url, DNAH_TEST_API_KEY_FILE: keyFile } = process.env;
  if (!url || !keyFile) throw new Error("run this by `npm test`, which starts a platform");
  client = new Client({ url, apiKey: readFileSync(keyFile, "utf8").trim() });
  await client.pools.set({ ...size, minReady: 1 });
});

afterAll(async () => {
  await client?.pools.delete(size).catch(() => undefined);
});

async function poolNow() {
  const pool = (await client.pools.list()).find(({ memoryMib }) => memoryMib === size.memoryMib);
  if (!pool) throw new Error("there is no such pool");
  return pool;
}

const isReady = () => expect.poll(async () => (await poolNow()).ready, { timeout: 60_000 }).toBe(1);

test("a create takes the VM that waits, boots nothing, and its first exec is at once what was asked for", async () => {
  await isReady();
  const startedAt = performance.now();
  await using sandbox = await Sandbox.create({ client, ...size, env: { WHO: "me" }, metadata: { test: "warm" } });
  const createdAt = performance.now();
  const { stdout } = await sandbox.exec("echo $WHO; hostname; cut -d. -f1 /proc/uptime");
  const answeredAt = performance.now();
  const stages = sandbox.stages.map(({ stage, ms }) => `${stage} ${ms.toFixed(1)}`);
  process.stdout.write(
    `warm create ${(createdAt - startedAt).toFixed(0)} ms (${stages.join(", ")}), first exec ${(answeredAt - createdAt).toFixed(0)} ms\n`,
  );
  expect(sandbox.stages.map(({ stage }) => stage)).toEqual(["claim", "personalize"]);
  expect(stdout).toMatch(new RegExp(`^me\n${sandbox.id}\n\\d+\n$`));
  expect(await sandbox.info()).toMatchObject({ state: "running", epoch: 2, metadata: { test: "warm" } });
  const before = await poolNow();
  expect(before.hits).toBeGreaterThan(0);
  await isReady(); // filled up again
});

test("a VM that died while it waited is never handed out: the create gets one that answers, in the same call", async () => {
  await isReady();
  const [vmm] = standbyVmms();
  process.kill(vmm ?? expect.fail("no VM waits"), "SIGKILL");
  await using sandbox = await Sandbox.create({ client, ...size });
  expect(sandbox.stages.map(({ stage }) => stage)).toContain("vmm");
  expect((await sandbox.exec("hostname")).stdout).toBe(`${sandbox.id}\n`);
});

/** Process ids, from the host's records. */
function standbyVmms(): number[] {
  const vms = join(process.env.DNAH_TEST_DATA_DIR ?? "", "hostd/vms");
  return readdirSync(vms)
    .map((id) => JSON.parse(readFileSync(join(vms, id, "vm.json"), "utf8")))
    .filter(({ memoryMib, pool, state }) => memoryMib === size.memoryMib && pool === "standby" && state === "running")
    .map(({ handle }) => handle.pid);
}

test("an emptied pool means a cold start in the same call", async () => {
  await isReady();
  await client.pools.set({ ...size, minReady: 0 });
  await expect.poll(async () => (await poolNow()).ready).toBe(0);
  await using sandbox = await Sandbox.create({ client, ...size });
  expect(sandbox.stages.map(({ stage }) => stage)).toContain("vmm");
  expect((await sandbox.exec("echo here")).stdout).toBe("here\n");
  expect((await poolNow()).misses).toBeGreaterThan(0);
});
