import { expect, test } from "vitest";
import { CapacityError, NotFoundError, Sandbox } from "../index.ts";
import { failureOf } from "../testing/failure-of.ts";
import { withSandbox } from "../testing/with-sandbox.ts";

test("a sandbox is paused and resumed", async () => {
  await using fake = await withSandbox();
  const { sandbox } = fake;
  expect(await sandbox.pause()).toMatchObject({ state: "paused", memoryKept: true });
  expect(await sandbox.resume()).toMatchObject({ state: "running", epoch: 2 });
});

test("a call whose answer is lost is repeated with the same key", async () => {
  await using fake = await withSandbox();
  fake.platform.faults.next("PauseSandbox", { t: "cut" });
  expect(await fake.sandbox.pause()).toMatchObject({ state: "paused" });
  expect(fake.platform.count("PauseSandbox")).toBe(2);
});

test("a fork is a sandbox of its own; of many each has an outcome", async () => {
  await using fake = await withSandbox();
  const { sandbox, platform, client } = fake;
  const child = await sandbox.fork({ metadata: { try: "1" } });
  expect(await child.info()).toMatchObject({ parentId: sandbox.id, metadata: { try: "1" } });
  expect(child.accessToken).not.toBe(sandbox.accessToken);
  platform.room = 4;
  const outcomes = await sandbox.forkMany(3);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
  const rejected = outcomes[2] as PromiseRejectedResult;
  expect(rejected.reason).toBeInstanceOf(CapacityError);
  expect(rejected.reason).toMatchObject({
    ...{ reason: "NO_CAPACITY", code: "resource_exhausted" },
    nextStep: "Try again.",
  });
  expect(await failureOf(sandbox.fork())).toBeInstanceOf(CapacityError);
  expect(await failureOf(sandbox.forkMany(0))).toBeInstanceOf(RangeError); // the wire's 0 means 1
  const { children } = await sandbox.lineage();
  expect(children).toHaveLength(3);
  const relatives = await (await Sandbox.connect(child.id, { client })).lineage();
  expect(relatives.ancestors).toMatchObject([{ sandboxId: sandbox.id, state: "running" }]);
});

test("snapshots are taken, listed, used and deleted", async () => {
  await using fake = await withSandbox();
  const { sandbox, client } = fake;
  const snapshot = await sandbox.snapshot({ name: "before the upgrade", metadata: { step: "1" } });
  expect(snapshot).toMatchObject({ state: "ready", sandboxId: sandbox.id, memoryKept: true, sizeBytes: 3_145_728 });
  expect(snapshot.stages).toEqual([{ stage: "window", ms: 5 }]); // of this call alone: none is kept
  const made = await Sandbox.create({ client, snapshotId: snapshot.id });
  expect(await made.info()).toMatchObject({ snapshotId: snapshot.id });
  expect(await sandbox.rollBack(snapshot.id)).toMatchObject({ snapshotId: snapshot.id });
  expect(await Array.fromAsync(client.snapshots.list({ sandboxId: sandbox.id }))).toEqual([
    { ...snapshot, stages: [] },
  ]);
  expect(await Array.fromAsync(client.snapshots.list({ sandboxId: made.id }))).toEqual([]);
  await client.snapshots.delete(snapshot.id);
  expect(await failureOf(client.snapshots.get(snapshot.id))).toBeInstanceOf(NotFoundError);
});

test("its time is set at create, changed and taken away", async () => {
  await using fake = await withSandbox();
  const lifecycle = { timeoutMs: 60_000, onTimeout: "delete", idleTimeoutMs: 5_000, autoResume: true } as const;
  const sandbox = await Sandbox.create({ client: fake.client, lifecycle });
  expect((await sandbox.info()).lifecycle).toEqual(lifecycle);
  const { endTime } = await sandbox.setTimeout(90_000);
  expect(endTime?.getTime()).toBeGreaterThan(Date.now() + 80_000);
  expect((await sandbox.setTimeout(undefined)).endTime).toBeUndefined();
});

test("a delete is taken back, but not one for good", async () => {
  await using fake = await withSandbox();
  const { sandbox, client } = fake;
  await sandbox.kill();
  const back = await Sandbox.undelete(sandbox.id, { client });
  expect(await back.info()).toMatchObject({ id: sandbox.id, state: "paused" });
  await back.kill({ purge: true });
  expect(await failureOf(Sandbox.undelete(sandbox.id, { client }))).toBeInstanceOf(NotFoundError);
  const other = await Sandbox.create({ client });
  await other.kill();
  await Sandbox.purge(other.id, { client });
  expect(await failureOf(Sandbox.undelete(other.id, { client }))).toBeInstanceOf(NotFoundError);
});
