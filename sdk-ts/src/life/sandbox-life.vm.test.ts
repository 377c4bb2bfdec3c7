/** Pause, resume, snapshots, forks and roll backs, from client to guest, on real microVMs. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client, ConflictError, Sandbox } from "../index.ts";
import { failureOf } from "../testing/failure-of.ts";

let client: Client;
let sandbox: Sandbox;

beforeAll(async () => {
  const { DNAH_TEST_URL: url, DNAH_TEST_API_KEY_FILE: keyFile } = process.env;
  if (!url || !keyFile) throw new Error("run this by `npm test`, which starts a platform");
  client = new Client({ url, apiKey: readFileSync(keyFile, "utf8").trim() });
  sandbox = await Sandbox.create({ client, memoryMib: 256 });
});

afterAll(async () => {
  await sandbox?.[Symbol.asyncDispose]();
});

const output = async (of: Sandbox, line: string) => (await of.exec(line, { check: true })).stdout;

test("programs, tmpfs and an open stream go on over a pause; while it is paused a call is refused", async () => {
  await output(sandbox, "echo kept > /dev/shm/kept; sync");
  const counting = sandbox.exec("i=0; while [ $i -lt 40 ]; do echo $i; i=$((i+1)); sleep 0.1; done");
  const lines: string[] = [];
  const reading = (async () => {
    for await (const { text } of counting) lines.push(text);
  })();
  await expect.poll(() => lines.length).toBeGreaterThan(2);
  expect(await sandbox.pause()).toMatchObject({ state: "paused", memoryKept: true });
  const refused = await failureOf(sandbox.exec("true"));
  expect(refused).toBeInstanceOf(ConflictError);
  expect(await sandbox.resume()).toMatchObject({ state: "running", epoch: 2 });
  expect(await output(sandbox, "cat /dev/shm/kept")).toBe("kept\n");
  await reading;
  expect(lines.join("")).toBe(Array.from({ length: 40 }, (_, index) => `${index}\n`).join(""));
}, 60_000);

test("a snapshot is rolled back to, and made into others, also when its sandbox has moved on", async () => {
  await output(sandbox, "echo first > ~/state; sync");
  const snapshot = await sandbox.snapshot({ name: "first" });
  expect(snapshot).toMatchObject({ state: "ready", memoryKept: true });
  await output(sandbox, "echo second > ~/state; rm /dev/shm/kept");
  {
    await using made = await Sandbox.create({ client, snapshotId: snapshot.id });
    expect(await output(made, "cat ~/state /dev/shm/kept; hostname")).toBe(`first\nkept\n${made.id}\n`);
  }
  expect(await sandbox.rollBack(snapshot.id)).toMatchObject({ state: "running", snapshotId: snapshot.id });
  expect(await output(sandbox, "cat ~/state /dev/shm/kept; hostname")).toBe(`first\nkept\n${sandbox.id}\n`);
  await client.snapshots.delete(snapshot.id);
  expect(await output(sandbox, "cat ~/state")).toBe("first\n");
}, 60_000);

test("forks are machines of their own, with the parent's memory, and the parent stays", async () => {
  const outcomes = await sandbox.forkMany(2, { env: { WHO: "child" } });
  const children = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  await using stack = new AsyncDisposableStack();
  for (const child of children) stack.use(child);
  expect(children).toHaveLength(2);
  const identity = "hostname; cat /etc/machine-id; head -c 16 /dev/urandom | base64";
  const all = [sandbox, ...children];
  const identities = await Promise.all(all.map(async (one) => (await output(one, identity)).split("\n")));
  for (const part of [0, 1, 2]) expect(new Set(identities.map((lines) => lines[part])).size).toBe(3);
  expect(await output(children[0] as Sandbox, "cat /dev/shm/kept; echo $WHO")).toBe("kept\nchild\n");
  const ids = (await sandbox.lineage()).children.map(({ sandboxId }) => sandboxId);
  expect(ids).toEqual(expect.arrayContaining(children.map(({ id }) => id)));
  expect(await sandbox.info()).toMatchObject({ state: "running" });
}, 60_000);
