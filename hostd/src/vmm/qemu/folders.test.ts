import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { secureMemoryDir } from "./folders.ts";

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "dnah-memory-"));
});
afterAll(() => rm(root, { recursive: true }));

test("makes the folder, and takes it again", async () => {
  const dir = join(root, "fresh");
  await secureMemoryDir(dir);
  await secureMemoryDir(dir);
  expect((await stat(dir)).mode & 0o777).toBe(0o711);
});

test.each([
  ["a link to a good one", async (dir: string) => symlink(root, dir), /not a directory/],
  ["a file", async (dir: string) => writeFile(dir, ""), /not a directory/],
  ["one that all may write to", async (dir: string) => mkdir(dir).then(() => chmod(dir, 0o1777)), /other users/],
])("refuses %s", async (name, make, why) => {
  const dir = join(root, name);
  await make(dir);
  await expect(secureMemoryDir(dir)).rejects.toThrow(why);
});
