import { randomBytes } from "node:crypto";
import { appendFile, mkdir, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import zlib from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failureOf } from "./testing/failure-of.ts";
import { type FilesOfOneVm, filesOfOneVm, ways } from "./testing/files-of-one-vm.ts";

describe.each(ways)("a file read by way of %s", (way) => {
  let vm: FilesOfOneVm;
  beforeAll(async () => {
    vm = await filesOfOneVm(way);
  });
  afterAll(() => vm[Symbol.asyncDispose]());
  const put = (name: string, data: string | Uint8Array) => writeFile(join(vm.dir, name), data);
  const text = async (answer: { body: () => Promise<Buffer> }) => (await answer.body()).toString();

  test("comes whole, with what describes it", async () => {
    await put('größe "x".txt', "0123456789");
    const answer = await vm.ask("GET", 'größe "x".txt');
    expect([answer.status, await text(answer)]).toEqual([200, "0123456789"]);
    expect(answer.headers).toMatchObject({
      "content-length": "10",
      "content-type": "application/octet-stream",
      "accept-ranges": "bytes",
      "x-content-type-options": "nosniff",
    });
    expect(answer.headers["content-disposition"]).toBe(
      `attachment; filename="gr??e \\"x\\".txt"; filename*=UTF-8''gr%C3%B6%C3%9Fe%20%22x%22.txt`,
    );
    expect(Date.parse(answer.headers["last-modified"] ?? "")).toBeGreaterThan(Date.now() - 60_000);
    const head = await vm.ask("HEAD", 'größe "x".txt');
    expect([head.status, await text(head)]).toEqual([200, ""]);
    const same = ["etag", "content-length", "last-modified", "content-disposition"];
    expect(same.map((name) => head.headers[name])).toEqual(same.map((name) => answer.headers[name]));
  });

  test("that is a link or empty is a file like any other", async () => {
    await put("real", "content");
    await symlink("real", join(vm.dir, "link"));
    const link = await vm.ask("GET", "link");
    expect([link.headers["content-length"], await text(link)]).toEqual(["7", "content"]);
    await put("empty", "");
    const empty = await vm.ask("GET", "empty");
    expect([empty.status, empty.headers["content-length"], await text(empty)]).toEqual([200, "0", ""]);
  });

  test.each([
    ["bytes=2-4", "234", "bytes 2-4/10"],
    ["bytes=7-", "789", "bytes 7-9/10"],
    ["bytes=-3", "789", "bytes 7-9/10"],
    ["bytes=8-100", "89", "bytes 8-9/10"],
  ])("in the range %s is that part", async (range, expected, contentRange) => {
    await put("ten", "0123456789");
    const answer = await vm.ask("GET", "ten", { headers: { range, "accept-encoding": "gzip" } });
    expect([answer.status, await text(answer)]).toEqual([206, expected]);
    expect(answer.headers["content-range"]).toBe(contentRange);
  });

  test("in a range that it does not have is RANGE_INVALID, and whole where the range is none", async () => {
    await put("ten", "0123456789");
    const missing = await vm.ask("GET", "ten", { headers: { range: "bytes=10-" } });
    expect([missing.status, missing.headers["content-range"]]).toEqual([416, "bytes */10"]);
    expect(JSON.parse(await text(missing))).toMatchObject({
      code: "out_of_range",
      details: [{ debug: { reason: "ERROR_REASON_RANGE_INVALID" } }],
    });
    for (const range of ["lines=1-2", "bytes=x", "bytes=0-1,4-5"]) {
      const answer = await vm.ask("GET", "ten", { headers: { range } });
      expect([answer.status, await text(answer)]).toEqual([200, "0123456789"]);
    }
  });

  test("goes on with If-Range only while it is the same", async () => {
    await put("growing", "0123456789");
    const { headers } = await vm.ask("HEAD", "growing");
    const goOn = (validator: string) =>
      vm.ask("GET", "growing", { headers: { range: "bytes=5-", "if-range": validator } });
    expect(await text(await goOn(headers.etag ?? ""))).toBe("56789");
    expect(await text(await goOn(headers["last-modified"] ?? ""))).toBe("56789");
    await new Promise((resolve) => setTimeout(resolve, 20)); // a tick of the clock that stamps files
    await appendFile(join(vm.dir, "growing"), "abc");
    const changed = await goOn(headers.etag ?? "");
    expect([changed.status, await text(changed)]).toEqual([200, "0123456789abc"]);
  });

  test("that the client has already is not sent again", async () => {
    await put("known", "x".repeat(5000));
    for (const headers of [{}, { "accept-encoding": "gzip" }]) {
      const { headers: first, stream } = await vm.ask("GET", "known", { headers });
      stream.resume();
      const again = await vm.ask("GET", "known", { headers: { ...headers, "if-none-match": first.etag ?? "" } });
      expect([again.status, await text(again), again.headers.etag]).toEqual([304, "", first.etag]);
    }
    expect((await vm.ask("GET", "known", { headers: { "if-none-match": '"other"' } })).status).toBe(200);
  });

  test("comes compressed to whom it helps", async () => {
    const data = Buffer.from("compressible ".repeat(200_000));
    await put("log.txt", data);
    const plain = await vm.ask("GET", "log.txt");
    plain.stream.resume();
    const coded = { gzip: zlib.gunzipSync, zstd: zlib.zstdDecompressSync };
    for (const [coding, decode] of Object.entries(coded)) {
      const answer = await vm.ask("GET", "log.txt", { headers: { "accept-encoding": coding } });
      expect(answer.headers["content-encoding"]).toBe(coding);
      expect(answer.headers.vary).toBe("accept-encoding");
      expect(answer.headers.etag).not.toBe(plain.headers.etag);
      const body = await answer.body();
      expect(body.length).toBeLessThan(data.length / 10);
      expect(decode(body).equals(data)).toBe(true);
    }
    await put("small.txt", "few");
    await put("packed.tar.gz", data);
    for (const name of ["small.txt", "packed.tar.gz"]) {
      const answer = await vm.ask("GET", name, { headers: { "accept-encoding": "zstd, gzip" } });
      expect(answer.headers["content-encoding"]).toBeUndefined();
      answer.stream.resume();
    }
  });

  test("of 200 MiB comes whole, and hostd does not grow", async () => {
    const piece = randomBytes(1024 * 1024);
    await put("large", Buffer.concat(Array(200).fill(piece)));
    const before = process.memoryUsage().rss;
    let [at, most, equal] = [0, 0, true];
    const { stream } = await vm.ask("GET", "large");
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const offset = at % piece.length;
      const end = Math.min(offset + chunk.length, piece.length);
      equal &&= chunk.subarray(0, end - offset).equals(piece.subarray(offset, end));
      at += chunk.length;
      most = Math.max(most, process.memoryUsage.rss());
    }
    expect([at, equal]).toEqual([200 * piece.length, true]);
    expect(most - before).toBeLessThan(100 * 1024 * 1024);
  });

  test("that changes while it is read breaks off", async () => {
    await put("changing", Buffer.alloc(64 * 1024 * 1024));
    for (const change of [
      () => truncate(join(vm.dir, "changing"), 40 * 1024 * 1024),
      () => appendFile(join(vm.dir, "changing"), "more"),
    ]) {
      await put("changing", Buffer.alloc(64 * 1024 * 1024));
      const answer = await vm.ask("GET", "changing");
      await new Promise((resolve) => setTimeout(resolve, 20)); // a tick of the clock that stamps files
      await change();
      await expect(answer.body()).rejects.toThrow();
    }
  });

  test("breaks off with its agent", async () => {
    await put("cut", Buffer.alloc(64 * 1024 * 1024));
    const answer = await vm.ask("GET", "cut");
    vm.breakAgent();
    await expect(answer.body()).rejects.toThrow();
  });

  test("is held back by a client that does not read, and let go of with it", async () => {
    await put("slow", Buffer.alloc(200 * 1024 * 1024));
    const before = process.memoryUsage().rss;
    const { stream } = await vm.ask("GET", "slow");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
    stream.destroy();
    await expect.poll(() => vm.connections.open).toBe(0);
  });

  test("that is not there, or none, or not asked for as it must be, is a typed error", async () => {
    await mkdir(join(vm.dir, "folder"), { recursive: true });
    const refusal = async (...ask: Parameters<FilesOfOneVm["ask"]>) => failureOf(await vm.ask(...ask));
    expect(await refusal("GET", "nothing")).toEqual([404, "not_found", "FILE_NOT_FOUND"]);
    expect(await refusal("GET", "folder")).toEqual([400, "failed_precondition", "FILE_WRONG_TYPE"]);
    expect(await refusal("GET", "")).toEqual([400, "invalid_argument", "FIELD_INVALID"]);
    expect(await refusal("GET", "folder", { query: "&user=nobody-here" })).toEqual([
      400,
      "invalid_argument",
      "USER_NOT_FOUND",
    ]);
    expect(await refusal("DELETE", "folder")).toEqual([405, "unimplemented", "UNKNOWN_CALL"]);
    const head = await vm.ask("HEAD", "nothing");
    expect([head.status, await text(head)]).toEqual([404, ""]);
  });
});
