import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createCommandRunner } from "../exec.ts";
import { applyCopy, probeCopyMethod, readDiskSpace } from "./apply.ts";

const runner = createCommandRunner();

/** Of 400 MiB; gone at the test's end. */
async function mountReflinks(options: { readonly signal: AbortSignal }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "dnah-xfs-"));
  const image = join(folder, "image");
  const mount = join(folder, "mount");
  await mkdir(mount);
  await runner.run(["truncate", "--size=400M", image], options);
  await runner.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], options);
  await runner.run(["mount", "-o", "loop", image, mount], options);
  onTestFinished(async () => {
    await runner.run(["umount", mount], { signal: AbortSignal.timeout(30_000) });
    await rm(folder, { recursive: true });
  });
  return mount;
}

test("on a file system with reflinks a copy takes no space", async () => {
  const options = { signal: AbortSignal.timeout(30_000) };
  const mount = await mountReflinks(options);
  expect(await probeCopyMethod(mount)).toBe("reflink");
  const source = join(mount, "source");
  await writeFile(source, Buffer.alloc(32 * 1024 * 1024, 1));
  await runner.run(["sync", "-f", mount], options);
  const before = await readDiskSpace(mount);
  const target = join(mount, "target");
  await applyCopy(runner, { source, target, owner: { uid: 70_000, gid: 70_001 } }, "reflink", options);
  await runner.run(["sync", "-f", mount], options);
  const after = await readDiskSpace(mount);
  expect(before.availableBytes - after.availableBytes).toBeLessThan(4 * 1024 * 1024);
  expect(await stat(target)).toMatchObject({ uid: 70_000, gid: 70_001, size: 32 * 1024 * 1024 });
});

test("what comes from another file system is copied onto one with reflinks", async () => {
  const options = { signal: AbortSignal.timeout(30_000) };
  const mount = await mountReflinks(options);
  const folder = await mkdtemp(join(tmpdir(), "dnah-other-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const source = join(folder, "source");
  await writeFile(source, "bytes");
  const target = join(mount, "target");
  await applyCopy(runner, { source, target, owner: { uid: 0, gid: 0 } }, "sparse", options);
  expect(await readFile(target, "utf8")).toBe("bytes");
});
