import { describe, expect, test } from "vitest";
import { LimitError, NotFoundError } from "../index.ts";
import { ways } from "../testing/client-of.ts";
import { failureOf } from "../testing/failure-of.ts";
import { unavailable } from "../testing/fake-error.ts";
import { withSandbox } from "../testing/with-sandbox.ts";

const mib = 1024 * 1024;

function noise(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at++) bytes[at] = at * 31 + (at >> 8);
  return bytes;
}

describe.each(ways)("$name", (way) => {
  test("a small file goes in one call", async () => {
    await using fake = await withSandbox(way);
    const info = await fake.sandbox.files.write("a.txt", "héllo", { mode: 0o600 });
    expect(info).toMatchObject({ path: "/home/user/a.txt", type: "file", size: 6, mode: 0o600 });
    expect(fake.platform.writes).toEqual([{ size: 6 }]);
    expect(await fake.sandbox.files.readText("a.txt")).toBe("héllo");
  });

  test("a large file goes in pieces and comes back, also over a broken connection", async () => {
    await using fake = await withSandbox(way);
    const data = noise(20 * mib);
    const { faults, writes } = fake.platform;
    faults.next("PUT files", { t: "error", error: unavailable() }, { t: "cut" });
    await fake.sandbox.files.write("big", data, { mode: 0o640 });
    const [first, second, ...last] = [
      { size: 8 * mib, offset: 0, last: false },
      { size: 8 * mib, offset: 8 * mib, last: false },
      { size: 4 * mib, offset: 16 * mib, last: true },
    ];
    expect(writes).toEqual([first, second, ...last]); // the first arrived, although its answer did not
    expect((await fake.sandbox.files.stat("big")).mode).toBe(0o640);
    faults.next("GET files", { t: "cutAfter", events: 3 }, { t: "error", error: unavailable() });
    expect(Buffer.compare(await fake.sandbox.files.read("big"), data)).toBe(0);
    expect(fake.platform.count("GET files")).toBe(2);
  });
});

test("sources of every kind are written, and the last piece is marked", async () => {
  await using fake = await withSandbox();
  const { files } = fake.sandbox;
  const chunks = [noise(8 * mib - 1), noise(2), noise(8 * mib - 1)];
  const whole = Buffer.concat(chunks);
  async function* generate() {
    yield* chunks;
  }
  const stream = new Blob(chunks.map((chunk) => new Uint8Array(chunk))).stream();
  for (const source of [generate(), stream]) {
    fake.platform.writes.length = 0;
    await files.write("f", source);
    expect(fake.platform.writes).toEqual([
      { size: 8 * mib, offset: 0, last: false },
      { size: 8 * mib, offset: 8 * mib, last: true },
    ]);
    expect(Buffer.compare(await files.read("f"), whole)).toBe(0);
  }
  await files.write("empty", "");
  expect(await files.read("empty")).toHaveLength(0);
});

test("a part of a file", async () => {
  await using fake = await withSandbox();
  await fake.sandbox.files.write("f", "0123456789");
  expect(await fake.sandbox.files.readText("f", { offset: 3, length: 4 })).toBe("3456");
  expect(await fake.sandbox.files.readText("f", { offset: 8 })).toBe("89");
});

test("stat, exists and what is not there", async () => {
  await using fake = await withSandbox();
  const { files } = fake.sandbox;
  expect(await files.exists("f")).toBe(false);
  await files.write("f", "x");
  expect(await files.exists("f")).toBe(true);
  expect(await files.stat("/home/user")).toMatchObject({ type: "directory", symlinkTarget: undefined });
  await expect(files.stat("nope")).rejects.toBeInstanceOf(NotFoundError);
  await expect(files.read("nope")).rejects.toMatchObject({ reason: "FILE_NOT_FOUND" });
});

test("reading into memory is bounded", async () => {
  await using fake = await withSandbox();
  await fake.sandbox.files.write("f", noise(2 * mib));
  await expect(fake.sandbox.files.read("f", { maxBytes: mib })).rejects.toBeInstanceOf(LimitError);
});

test("a file that was changed while the connection was gone is not glued together", async () => {
  await using fake = await withSandbox();
  const { files } = fake.sandbox;
  await files.write("f", noise(mib));
  fake.platform.faults.next("GET files", { t: "cutAfter", events: 2 });
  const stream = files.stream("f");
  await stream.next();
  await files.write("f", "other");
  await expect(Array.fromAsync(stream)).rejects.toThrow("was changed while it was read");
});

test("leaving the loop ends the call", async () => {
  await using fake = await withSandbox();
  await fake.sandbox.files.write("f", noise(3 * mib));
  for await (const _ of fake.sandbox.files.stream("f")) break;
  expect(fake.platform.count("GET files")).toBe(1);
});

test("archives go out and in, from sources of every kind", async () => {
  await using fake = await withSandbox();
  const { files } = fake.sandbox;
  await files.write("tree", noise(2 * mib));
  fake.platform.faults.next("GET archive", { t: "error", error: unavailable() });
  const archive = Buffer.concat(await Array.fromAsync(files.readArchive("tree", { names: ["a", "b"] })));
  expect(Buffer.compare(archive, noise(2 * mib))).toBe(0);
  for (const source of [archive, new Blob([archive]).stream(), files.readArchive("tree")]) {
    expect(await files.writeArchive("/copy", source, { keepOwner: true, user: "root" })).toEqual({
      entries: 1,
      bytes: archive.length,
    });
    expect(fake.state.files.get("/copy")).toMatchObject({ owner: "root" });
    fake.state.files.clear();
    await files.write("tree", archive);
  }
});

test("an archive that breaks after its first bytes is an error: another one may differ", async () => {
  await using fake = await withSandbox();
  await fake.sandbox.files.write("tree", noise(mib));
  fake.platform.faults.next("GET archive", { t: "cutAfter", events: 1 });
  expect(await failureOf(Array.fromAsync(fake.sandbox.files.readArchive("tree")))).toMatchObject({
    code: "unavailable",
  });
  expect(fake.platform.count("GET archive")).toBe(1);
});
