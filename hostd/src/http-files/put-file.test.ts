import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable, type Writable } from "node:stream";
import zlib from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failureOf } from "./testing/failure-of.ts";
import { type FilesOfOneVm, filesOfOneVm, ways } from "./testing/files-of-one-vm.ts";

const piece = Buffer.alloc(1024 * 1024, "0123456789abcdef");

function* pieces(count: number) {
  for (let n = 0; n < count; n += 1) yield piece;
}

describe.each(ways)("a file written by way of %s", (way) => {
  let vm: FilesOfOneVm;
  beforeAll(async () => {
    vm = await filesOfOneVm(way);
  });
  afterAll(() => vm[Symbol.asyncDispose]());
  const at = (name: string) => join(vm.dir, name);
  const read = (name: string) => readFile(at(name), "latin1");

  test("is there whole, with the mode that was asked for, and described", async () => {
    const answer = await vm.ask("PUT", "new/f", { body: "content", query: "&mode=0600" });
    expect(answer.status).toBe(200);
    const info = JSON.parse((await answer.body()).toString()) as object;
    expect(info).toMatchObject({ path: at("new/f"), name: "f", type: "FILE_TYPE_FILE", size: "7", mode: 0o600 });
    expect([await read("new/f"), (await stat(at("new/f"))).mode & 0o777]).toEqual(["content", 0o600]);
    expect((await vm.ask("HEAD", "new/f")).headers.etag).toBe(answer.headers.etag);
  });

  test("that is empty, or a link's target, is written as well", async () => {
    expect((await vm.ask("PUT", "empty")).status).toBe(200);
    await writeFile(at("real"), "before");
    await symlink("real", at("link"));
    expect((await vm.ask("PUT", "link", { body: "after" })).status).toBe(200);
    expect([await read("empty"), await read("real")]).toEqual(["", "after"]);
  });

  test.each([
    ["gzip", (data: Buffer) => zlib.gzipSync(data)],
    ["zstd", (data: Buffer) => zlib.zstdCompressSync(data)],
  ])("is decoded from %s", async (coding, encode) => {
    const data = Buffer.from("compressible ".repeat(300_000));
    const headers = { "content-encoding": coding };
    expect((await vm.ask("PUT", "coded", { headers, body: encode(data) })).status).toBe(200);
    expect(await read("coded")).toBe(data.toString());
    const torn = await vm.ask("PUT", "coded", { headers, body: encode(data).subarray(0, 200) });
    expect(await failureOf(torn)).toEqual([400, "invalid_argument", "FIELD_INVALID"]);
    const garbage = await vm.ask("PUT", "coded", { headers, body: "x".repeat(1000) });
    expect(await failureOf(garbage)).toEqual([400, "invalid_argument", "FIELD_INVALID"]);
    expect(await read("coded")).toBe(data.toString());
  });

  test("is unpacked for a few clients of a sandbox at a time", async () => {
    const half = zlib.gzipSync("x".repeat(100_000)).subarray(0, 60);
    const headers = { "content-encoding": "gzip" };
    const bodies: Writable[] = [];
    const busy = Array.from({ length: 8 }, (_, index) =>
      vm.ask("PUT", `busy-${index}`, { headers, write: (body) => bodies.push(body) && body.write(half) }),
    );
    for (const answer of busy) answer.catch(() => undefined); // some are broken off below, unanswered
    await expect.poll(() => vm.connections.open).toBe(8);
    const refused = await vm.ask("PUT", "one-more", { headers, body: half });
    expect(await failureOf(refused)).toEqual([429, "resource_exhausted", "GUEST_LIMIT_EXCEEDED"]);
    for (const body of bodies) body.destroy();
    await expect.poll(() => vm.connections.open).toBe(0);
    const later = zlib.gzipSync("later");
    expect((await vm.ask("PUT", "one-more", { headers, body: later })).status).toBe(200);
  });

  test("that must be new is refused where it is there", async () => {
    const headers = { "if-none-match": "*" };
    expect((await vm.ask("PUT", "once", { headers, body: "first" })).status).toBe(200);
    const again = await vm.ask("PUT", "once", { headers, body: "second" });
    expect(await failureOf(again)).toEqual([412, "already_exists", "FILE_EXISTS"]);
    expect(await read("once")).toBe("first");
  });

  test("of 200 MiB is there, and hostd does not grow", async () => {
    const before = process.memoryUsage.rss();
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage.rss());
    }, 20);
    const answer = await vm.ask("PUT", "large", {
      write: (body) => Readable.from(pieces(200)).pipe(body),
    });
    clearInterval(watch);
    expect(JSON.parse((await answer.body()).toString())).toMatchObject({ size: String(200 * piece.length) });
    expect((await readFile(at("large"))).equals(Buffer.concat(Array(200).fill(piece)))).toBe(true);
    expect(most - before).toBeLessThan(100 * 1024 * 1024);
  });

  test("whose client leaves in the middle is as it was", async () => {
    await mkdir(at("torn"));
    await writeFile(at("torn/f"), "before");
    const cut = vm.ask("PUT", "torn/f", {
      write: (body) =>
        Readable.from(pieces(3))
          .on("end", () => body.destroy())
          .pipe(body, { end: false }),
    });
    await expect(
      Promise.race([cut, new Promise((_, reject) => setTimeout(() => reject(new Error("cut")), 500))]),
    ).rejects.toThrow();
    await expect.poll(() => readdir(at("torn"))).toEqual(["f"]);
    expect(await read("torn/f")).toBe("before");
    await expect.poll(() => vm.connections.open).toBe(0);
  });

  test("that can't be is refused while its content still comes", async () => {
    await mkdir(at("folder"));
    const write = (body: Writable) => Readable.from(pieces(64)).pipe(body);
    expect(await failureOf(await vm.ask("PUT", "folder", { write }))).toEqual([
      400,
      "failed_precondition",
      "FILE_WRONG_TYPE",
    ]);
    const wrong = async (query: string, headers = {}) =>
      failureOf(await vm.ask("PUT", "x", { query, headers, body: "x" }));
    expect(await wrong("&mode=9")).toEqual([400, "invalid_argument", "FIELD_INVALID"]);
    expect(await wrong("&user=no:body")).toEqual([400, "invalid_argument", "FIELD_INVALID"]);
    expect(await wrong("", { "content-encoding": "br" })).toEqual([400, "invalid_argument", "FIELD_INVALID"]);
  });
});
