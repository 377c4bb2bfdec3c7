/**
 * A hundred forks in one call, on real microVMs: as many as the host has memory for, and for each of the others a typed reason. No
 * two have anything of their identity in common, and their parent stays what it was.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client, DaytonahError, Sandbox } from "../index.ts";

/** So large that a test machine has no memory for a hundred. */
const memoryMib = 512;
const count = 100;

let client: Client;
let parent: Sandbox;
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  const { DNAH_TEST_URL: url, DNAH_TEST_API_KEY_FILE: keyFile } = process.env;
  if (!url || !keyFile) throw new Error("run this by `npm run test:long`, which starts a platform");
  client = new Client({ url, apiKey: readFileSync(keyFile, "utf8").trim() });
  parent = stack.use(await Sandbox.create({ client, memoryMib }));
});
afterAll(() => stack.disposeAsync());

const output = async (of: Sandbox, line: string) => (await of.exec(line, { check: true })).stdout;

test(`${count} children in one call: each is another machine, or has a reason`, async () => {
  const counting = parent.exec("i=0; until [ -e ~/enough ]; do echo $i; i=$((i+1)); sleep 0.1; done");
  await output(parent, "echo kept > /dev/shm/kept");
  const before = await output(parent, "hostname; cat /etc/machine-id");
  const began = performance.now();
  const outcomes = await parent.forkMany(count);
  const seconds = (performance.now() - began) / 1000;
  const children = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [stack.use(outcome.value)] : []));
  const refusals = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
  console.log(`${children.length} forks in ${seconds.toFixed(1)} s, ${refusals.length} refused`);

  expect(outcomes).toHaveLength(count);
  expect(children.length).toBeGreaterThan(1);
  for (const refusal of refusals) {
    expect(refusal).toBeInstanceOf(DaytonahError);
    expect(refusal).toMatchObject({ reason: "NO_CAPACITY", nextStep: expect.stringMatching(/\S/) });
  }
  const identity = "hostname; cat /etc/machine-id; head -c 16 /dev/urandom | base64; cat /dev/shm/kept";
  const told: string[][] = [];
  for (const child of children) told.push((await output(child, identity)).trim().split("\n"));
  expect(told.map(([hostname]) => hostname)).toEqual(children.map(({ id }) => id));
  for (const part of [0, 1, 2]) expect(new Set(told.map((lines) => lines[part])).size).toBe(children.length);
  expect(told.every((lines) => lines[3] === "kept")).toBe(true);

  expect(await output(parent, "hostname; cat /etc/machine-id")).toBe(before);
  await output(parent, "touch ~/enough");
  const { stdout } = await counting;
  const lines = stdout.trim().split("\n");
  expect(lines).toEqual(lines.map((_, index) => `${index}`));
});
