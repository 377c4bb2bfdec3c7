import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createCommandRunner } from "../exec.ts";
import { applyCopy, probeCopyMethod, readDiskSpace } from "./apply.ts";

const runner = createCommandRunner();
const options = () => ({ signal: AbortSignal.timeout(10_000) });
const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

async function fixture() {
  const folder = await mkdtemp(join(tmpdir(), "dnah-disk-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const source = join(folder, "source");
  await writeFile(source, "data");
  await truncate(source, 8 * 1024 * 1024);
  return { folder, source, target: join(folder, "target"), method: await probeCopyMethod(folder) };
}

test("copies with holes, grows, and may be repeated", async () => {
  const { folder, source, target, method } = await fixture();
  const desired = { source, target, sizeBytes: 16 * 1024 * 1024, owner };
  for (const _ of [1, 2]) {
    await applyCopy(runner, desired, method, options());
    const { size, blocks, mode } = await stat(target);
    expect(size).toBe(16 * 1024 * 1024);
    expect(blocks * 512).toBeLessThan(1024 * 1024);
    expect(mode & 0o777).toBe(0o600);
    expect((await readFile(target)).subarray(0, 4).toString()).toBe("data");
  }
  expect((await readdir(folder)).sort()).toEqual(["source", "target"]);
});

test("never shrinks, and a failure leaves the former target and no draft", async () => {
  const { folder, source, target, method } = await fixture();
  await writeFile(target, "former");
  await expect(applyCopy(runner, { source, target, sizeBytes: 4096, owner }, method, options())).rejects.toThrow(
    /never shrunk/,
  );
  expect(await readFile(target, "utf8")).toBe("former");
  await expect(applyCopy(runner, { source: "/nonexistent", target, owner }, method, options())).rejects.toThrow();
  expect((await readdir(folder)).sort()).toEqual(["source", "target"]);
});

test("an abort leaves nothing", async () => {
  const { folder, source, target, method } = await fixture();
  const reason = new Error("gone");
  await expect(
    applyCopy(runner, { source, target, owner }, method, { signal: AbortSignal.abort(reason) }),
  ).rejects.toBe(reason);
  expect(await readdir(folder)).toEqual(["source"]);
});

test("tells the space there is", async () => {
  const { totalBytes, availableBytes } = await readDiskSpace(tmpdir());
  expect(totalBytes).toBeGreaterThan(availableBytes);
  expect(availableBytes).toBeGreaterThan(0);
});
