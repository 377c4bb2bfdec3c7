import { describe, expect, test } from "vitest";
import { ConflictError, type FileChange } from "../index.ts";
import { ways } from "../testing/client-of.ts";
import { failureOf } from "../testing/failure-of.ts";
import { unavailable } from "../testing/fake-error.ts";
import { type FakeWithSandbox, withSandbox } from "../testing/with-sandbox.ts";

async function writeAll({ sandbox }: FakeWithSandbox, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) await sandbox.files.write(path, content);
}

function told({ kind, path }: FileChange): string {
  return `${kind} ${path}`.trim();
}

describe.each(ways)("$name", (way) => {
  test("a listing that breaks goes on after the last entry that was given", async () => {
    await using fake = await withSandbox(way);
    await writeAll(fake, { "d/a": "", "d/b": "", "d/c": "", "d/d/e": "", "d/f": "" });
    fake.platform.faults.next("ListDirectory", { t: "cutAfter", events: 1 }, { t: "error", error: unavailable() });
    const names = await Array.fromAsync(fake.sandbox.files.list("d", { depth: 2 }), ({ name }) => name);
    expect(names).toEqual(["a", "b", "c", "e", "f"]);
    expect(await Array.fromAsync(fake.sandbox.files.list("d"), ({ name }) => name)).toEqual(["a", "b", "c", "f"]);
  });

  test("changes are told as they happen, and an overflow after a broken connection", async () => {
    await using fake = await withSandbox(way);
    const { files } = fake.sandbox;
    fake.platform.faults.next("WatchFiles", { t: "cutAfter", events: 3 });
    const changes = files.watch("d");
    expect(told((await changes.next()).value as FileChange)).toBe("ready");
    await writeAll(fake, { "other/x": "", "d/a": "" });
    expect(told((await changes.next()).value as FileChange)).toBe("created a");
    await files.write("d/a", "1");
    expect(told((await changes.next()).value as FileChange)).toBe("overflow");
    await files.move("d/a", "d/b");
    expect(told((await changes.next()).value as FileChange)).toBe("renamed a");
    expect(told((await changes.next()).value as FileChange)).toBe("created b");
    await changes.return();
  });
});

test("a listing of a folder that changed meanwhile is an error, not a wrong list", async () => {
  await using fake = await withSandbox();
  await writeAll(fake, { "d/a": "", "d/b": "", "d/c": "" });
  fake.platform.faults.next("ListDirectory", { t: "cutAfter", events: 1 });
  const entries = fake.sandbox.files.list("d");
  await entries.next();
  await entries.next();
  await fake.sandbox.files.remove("d/b");
  expect(await failureOf(entries.next())).toMatchObject({ reason: "FILE_CHANGED" });
});

test("folders are made, files moved and removed", async () => {
  await using fake = await withSandbox();
  const { files } = fake.sandbox;
  expect(await files.mkdir("d", { mode: 0o700 })).toMatchObject({ type: "directory", mode: 0o700 });
  await files.mkdir("d");
  expect(await failureOf(files.mkdir("d", { mustBeNew: true }))).toBeInstanceOf(ConflictError);
  await writeAll(fake, { "d/a": "a", "d/b": "b" });
  expect(await files.move("d/a", "d/c")).toMatchObject({ path: "/home/user/d/c" });
  expect(await failureOf(files.move("d/b", "d/c", { noReplace: true }))).toMatchObject({ reason: "FILE_EXISTS" });
  await files.move("d/b", "d/c");
  expect(await files.readText("d/c")).toBe("b");
  await files.remove("d", { recursive: true });
  expect(await failureOf(files.remove("d"))).toMatchObject({ reason: "FILE_NOT_FOUND" });
  await files.remove("d", { missingOk: true });
});

test("attributes that are named change, the others stay", async () => {
  await using fake = await withSandbox();
  const { files } = fake.sandbox;
  await files.write("f", "x", { mode: 0o600 });
  const modifyTime = new Date("2026-01-02T03:04:05Z");
  const xattrs = { tag: "blue", raw: Uint8Array.of(1, 2) };
  expect(await files.setAttributes("f", { owner: "root", modifyTime, xattrs })).toMatchObject({
    mode: 0o600,
    owner: "root",
    uid: 1000,
    modifyTime,
  });
  const changed = await files.setAttributes("f", { mode: 0o755, xattrs: { raw: undefined } });
  expect(changed).toMatchObject({ mode: 0o755, owner: "root", modifyTime });
  expect(changed.xattrs).toEqual({ tag: new TextEncoder().encode("blue") });
});

test("a watch can be asked for its changes from time to time", async () => {
  await using fake = await withSandbox();
  const { files } = fake.sandbox;
  let id: string;
  {
    await using watch = await files.createWatch("d", { recursive: true });
    id = watch.id;
    expect(await watch.read()).toEqual([]);
    await writeAll(fake, { "d/a": "", "d/e/b": "" });
    fake.platform.faults.next("ReadFileWatch", { t: "cut" });
    expect((await watch.read()).map(told)).toEqual(["created a", "created e/b"]);
    expect(await watch.read()).toEqual([]);
  }
  expect(fake.state.watches.has(id)).toBe(false);
});

test("files are found by name and lines by content", async () => {
  await using fake = await withSandbox();
  await writeAll(fake, { "d/a.py": "import os\nprint(1)\n", "d/b.txt": "print\n", "d/c.py": "" });
  const { files } = fake.sandbox;
  fake.platform.faults.next("SearchFiles", { t: "error", error: unavailable() });
  expect(await Array.fromAsync(files.find("d", { name: "*.py" }), ({ name }) => name)).toEqual(["a.py", "c.py"]);
  expect(await Array.fromAsync(files.search("d", "print", { name: "*.py" }))).toEqual([
    { path: "/home/user/d/a.py", line: 2, column: 1, text: "print(1)" },
  ]);
  expect(await Array.fromAsync(files.search("d", "print", { limit: 1 }))).toHaveLength(1);
  expect(() => files.search("d", "")).toThrow("files.find searches by name");
});

test("a search that breaks after its first result is an error: a repeat would tell some twice", async () => {
  await using fake = await withSandbox();
  await writeAll(fake, { "d/a": "", "d/b": "" });
  fake.platform.faults.next("SearchFiles", { t: "cutAfter", events: 1 });
  expect(await failureOf(Array.fromAsync(fake.sandbox.files.find("d")))).toMatchObject({ code: "unavailable" });
  expect(fake.platform.count("SearchFiles")).toBe(1);
});

test("text is replaced in files, and each says what became of it", async () => {
  await using fake = await withSandbox();
  await writeAll(fake, { a: "one two one", b: "three" });
  expect(await fake.sandbox.files.replace(["a", "b", "nope"], "one", "1")).toEqual([
    { path: "a", replacements: 2, failure: undefined },
    { path: "b", replacements: 0, failure: undefined },
    { path: "nope", replacements: 0, failure: { reason: "FILE_NOT_FOUND", message: "nope is not there." } },
  ]);
  expect(await fake.sandbox.files.readText("a")).toBe("1 two 1");
});

test("an address of a file is asked for with its operation and its time", async () => {
  await using fake = await withSandbox();
  const { url, directUrl, expireTime } = await fake.sandbox.files.url("a.txt", { operation: "write", ttlMs: 60_000 });
  expect(url).toContain("operation=2");
  expect(directUrl).toBeUndefined();
  expect(expireTime.getTime()).toBeLessThan(Date.now() + 61_000);
});
