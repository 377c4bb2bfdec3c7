import { mkdir, mkdtemp, readdir, readlink, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { VmStore } from "./vm-store.ts";

async function fixture() {
  const dataDir = await mkdtemp(join(tmpdir(), "dnah-store-"));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  const store = new VmStore(dataDir);
  await store.prepare();
  return { store, dataDir, tombstones: join(dataDir, "tombstones") };
}

test("a burial that fails counts for nothing; its repeat writes it", async () => {
  const { store, tombstones, dataDir } = await fixture();
  await mkdir(join(tombstones, "one.new")); // no file can be written there
  await expect(store.bury("one", 3)).rejects.toThrow();
  expect(store.tombstone("one")).toBe(0);
  await expect(store.bury("one", 3)).rejects.toThrow();
  await rm(join(tombstones, "one.new"), { recursive: true });
  await store.bury("one", 3);
  const later = new VmStore(dataDir);
  await later.load(new Date());
  expect(later.tombstone("one")).toBe(3);
});

test("burials at the same time wait for the same write; a later epoch's comes after, and no start slips in", async () => {
  const { store, dataDir } = await fixture();
  const burials = [2, 2, 1, 5, 3].map((epoch) => store.bury("one", epoch));
  expect(store.tombstone("one")).toBe(5);
  await Promise.all(burials);
  const later = new VmStore(dataDir);
  await later.load(new Date());
  expect(later.tombstone("one")).toBe(5);
});

test("tombstones are kept for a day, also where the daemon runs on", async () => {
  const { store, tombstones } = await fixture();
  await store.bury("old", 1);
  await store.bury("young", 1);
  const now = new Date();
  await utimes(join(tombstones, "old"), now, new Date(now.getTime() - 25 * 3_600_000));
  await store.pruneTombstones(now);
  expect([store.tombstone("old"), store.tombstone("young")]).toEqual([0, 1]);
  expect(await readdir(tombstones)).toEqual(["young"]);
});

test("discarded memory is gone for whoever looks at once, and its blocks are given back soon", async () => {
  const { store, dataDir } = await fixture();
  const memory = store.memoryOf("one");
  await mkdir(memory, { recursive: true });
  await writeFile(join(memory, "memory"), "what it had in mind");
  await store.discardMemory("one");
  expect(await store.hasMemory("one")).toBe(false);
  await store.discardMemory("one");
  await expect.poll(async () => (await openFiles()).filter((path) => path.startsWith(dataDir))).toEqual([]);
});

async function openFiles(): Promise<string[]> {
  const names = await readdir("/proc/self/fd");
  return Promise.all(names.map((name) => readlink(join("/proc/self/fd", name)).catch(() => "")));
}
