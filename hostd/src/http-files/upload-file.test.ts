import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { failureOf } from "./testing/failure-of.ts";
import { type FilesOfOneVm, filesOfOneVm, ways } from "./testing/files-of-one-vm.ts";

describe.each(ways)("an upload by way of %s", (way) => {
  let vm: FilesOfOneVm;
  let query = "";
  let uploads = 0;
  beforeAll(async () => {
    vm = await filesOfOneVm(way);
  });
  beforeEach(() => {
    uploads += 1;
    query = `&upload_id=u${uploads}`;
  });
  afterAll(() => vm[Symbol.asyncDispose]());
  const read = (name: string) => readFile(join(vm.dir, name), "latin1");
  const send = (name: string, offset: number, body: string, complete: "?0" | "?1", method = "PATCH") =>
    vm.ask(method, name, { query, body, headers: { "upload-offset": String(offset), "upload-complete": complete } });
  const progress = async (name: string) => {
    const { status, headers } = await vm.ask("HEAD", name, { query });
    return [status, headers["upload-offset"], headers["upload-complete"]];
  };

  const halfSize = async () => {
    const half = (await readdir(vm.dir)).find((name) => name.startsWith(`.upload-u${uploads}-`));
    return half === undefined ? 0 : (await stat(join(vm.dir, half))).size;
  };

  test("goes on from where it is, and changes the path at its end", async () => {
    await writeFile(join(vm.dir, "f"), "before", { mode: 0o600 });
    expect(await progress("f")).toEqual([204, "0", "?0"]);
    const first = await send("f", 0, "abc", "?0", "PUT");
    expect([first.status, first.headers["upload-offset"], first.headers["upload-complete"]]).toEqual([204, "3", "?0"]);
    expect(await read("f")).toBe("before");
    const last = await send("f", 3, "def", "?1");
    expect([last.status, JSON.parse((await last.body()).toString())]).toMatchObject([200, { size: "6", mode: 0o600 }]);
    expect([await read("f"), await progress("f")]).toEqual(["abcdef", [204, "6", "?1"]]);
    expect((await readdir(vm.dir)).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("goes on after a cut with what came before it", async () => {
    const whole = Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef");
    const cut = vm.ask("PUT", "cut", {
      query,
      write: (body) => body.write(whole.subarray(0, 5_000_000), () => setTimeout(() => body.destroy(), 100)),
    });
    cut.catch(() => undefined); // no answer comes
    await expect.poll(() => halfSize()).toBeGreaterThan(1_000_000);
    const offset = Number((await progress("cut"))[1]);
    expect(offset).toBeLessThanOrEqual(5_000_000);
    const headers = { "upload-offset": String(offset), "upload-complete": "?1" };
    expect((await vm.ask("PATCH", "cut", { query, headers, body: whole.subarray(offset) })).status).toBe(200);
    expect((await readFile(join(vm.dir, "cut"))).equals(whole)).toBe(true);
  });

  test("is taken over by a client that comes again while its old connection hangs", async () => {
    const old = expect(vm.ask("PUT", "hung", { query, write: (body) => body.write("abc") })).rejects.toThrow();
    await expect.poll(() => halfSize()).toBe(3);
    expect(await progress("hung")).toEqual([204, "3", "?0"]);
    expect((await send("hung", 3, "def", "?1")).status).toBe(200);
    expect(await read("hung")).toBe("abcdef");
    await old;
  });

  test("takes a piece again that it has", async () => {
    await send("again", 0, "abcdef", "?0");
    await send("again", 0, "abcXXX", "?0");
    await send("again", 3, "defghi", "?1");
    expect(await read("again")).toBe("abcdefghi");
    expect((await send("again", 6, "ghi", "?1")).status).toBe(200);
    expect(await read("again")).toBe("abcdefghi");
  });

  test("refuses a gap with where to go on", async () => {
    await send("gap", 0, "abc", "?0");
    const gap = await send("gap", 9, "x", "?0");
    expect(gap.headers["upload-offset"]).toBe("3");
    expect(await failureOf(gap)).toEqual([409, "out_of_range", "INPUT_GAP"]);
    const short = await send("gap", 0, "a", "?1");
    expect(await failureOf(short)).toEqual([409, "out_of_range", "INPUT_GAP"]);
  });

  test("whose headers make no sense is refused", async () => {
    const refusal = async (more: string, headers: Record<string, string>) =>
      failureOf(await vm.ask("PUT", "x", { query: more, headers, body: "x" }));
    for (const headers of [{ "upload-offset": "-1" }, { "upload-complete": "yes" }, { "content-encoding": "gzip" }]) {
      expect(await refusal(query, headers as never)).toEqual([400, "invalid_argument", "FIELD_INVALID"]);
    }
    expect(await refusal("&upload_id=No/pe", {})).toEqual([400, "invalid_argument", "FIELD_INVALID"]);
  });
});
