import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cacheDirOf, cachedDir } from "./cache.ts";

async function temporary(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), "cache-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

test("the cache is where the environment says", () => {
  expect(cacheDirOf({ DNAH_CACHE_DIR: "/a", XDG_CACHE_HOME: "/b", HOME: "/c" })).toBe("/a");
  expect(cacheDirOf({ XDG_CACHE_HOME: "/b", HOME: "/c" })).toBe("/b/daytonah");
  expect(cacheDirOf({ HOME: "/c" })).toBe("/c/.cache/daytonah");
});

test("a directory is made once", async () => {
  await using root = await temporary();
  let made = 0;
  const make = async (dir: string) => writeFile(join(dir, "n"), String(++made));
  await cachedDir(root.path, "things/a", make);
  const path = await cachedDir(root.path, "things/a", make);
  expect(await readFile(join(path, "n"), "utf8")).toBe("1");
});

test("a failed making leaves nothing behind", async () => {
  await using root = await temporary();
  const make = async (dir: string) => {
    await writeFile(join(dir, "half"), "");
    throw new Error("boom");
  };
  await expect(cachedDir(root.path, "things/a", make)).rejects.toThrow("boom");
  expect(await readdir(root.path, { recursive: true })).toEqual(["tmp"]);
});

test("of two makers at once one wins and both get the same whole directory", async () => {
  await using root = await temporary();
  const both = Promise.withResolvers<void>();
  let started = 0;
  const make = (text: string) => async (dir: string) => {
    if (++started === 2) both.resolve();
    await both.promise;
    await writeFile(join(dir, "by"), text);
  };
  const paths = await Promise.all([cachedDir(root.path, "a", make("x")), cachedDir(root.path, "a", make("y"))]);
  expect(paths).toEqual([join(root.path, "a"), join(root.path, "a")]);
  expect(await readFile(join(root.path, "a/by"), "utf8")).toMatch(/^[xy]$/);
  expect(await readdir(join(root.path, "tmp"))).toEqual([]);
});
