import { execFileSync } from "node:child_process";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import zlib from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failureOf } from "./testing/failure-of.ts";
import { type FilesOfOneVm, filesOfOneVm, ways } from "./testing/files-of-one-vm.ts";

const resource = "archive";
const listed = (tar: Buffer) => execFileSync("tar", ["-tf", "-"], { input: tar }).toString().trim().split("\n").sort();

describe.each(ways)("an archive by way of %s", (way) => {
  let vm: FilesOfOneVm;
  beforeAll(async () => {
    vm = await filesOfOneVm(way);
    await mkdir(join(vm.dir, "tree/sub"), { recursive: true });
    await writeFile(join(vm.dir, "tree/a"), "A".repeat(100_000));
    await writeFile(join(vm.dir, "tree/sub/b"), "B", { mode: 0o640 });
  });
  afterAll(() => vm[Symbol.asyncDispose]());

  test("brings a directory, or what is named of it", async () => {
    const all = await vm.ask("GET", "tree", { resource });
    expect(all.headers).toMatchObject({
      "content-type": "application/x-tar",
      "content-disposition": "attachment; filename=tree.tar",
    });
    const names = listed(await all.body()).map((name) => name.replace(/^\.\//, ""));
    expect(names).toEqual(expect.arrayContaining(["a", "sub/b"]));
    const one = await vm.ask("GET", "tree", { resource, query: "&names=sub" });
    const fewer = listed(await one.body()).map((name) => name.replace(/^\.\//, ""));
    expect(fewer).toContain("sub/b");
    expect(fewer).not.toContain("a");
    const coded = await vm.ask("GET", "tree", { resource, headers: { "accept-encoding": "zstd" } });
    expect(coded.headers["content-encoding"]).toBe("zstd");
    expect(listed(zlib.zstdDecompressSync(await coded.body()))).toHaveLength(names.length);
  });

  test("is unpacked, compressed or not", async () => {
    const tar = execFileSync("tar", ["-C", join(vm.dir, "tree"), "-cf", "-", "."]);
    for (const [coding, body] of Object.entries({ identity: tar, gzip: zlib.gzipSync(tar) })) {
      const answer = await vm.ask("PUT", `unpacked-${coding}`, {
        resource,
        headers: { "content-encoding": coding },
        body,
      });
      expect([answer.status, JSON.parse((await answer.body()).toString())]).toMatchObject([200, { bytes: "100001" }]);
      const b = join(vm.dir, `unpacked-${coding}/sub/b`);
      expect([await readFile(b, "latin1"), (await stat(b)).mode & 0o777]).toEqual(["B", 0o640]);
    }
  });

  test("that can't be read or is none is a typed error", async () => {
    const refusal = async (...ask: Parameters<FilesOfOneVm["ask"]>) => failureOf(await vm.ask(...ask));
    expect(await refusal("GET", "nothing", { resource })).toEqual([404, "not_found", "FILE_NOT_FOUND"]);
    expect(await refusal("GET", "tree", { resource, query: "&names=" })).toEqual([
      400,
      "invalid_argument",
      "FIELD_INVALID",
    ]);
    expect(await refusal("PUT", "x", { resource, query: "&keep_owner=maybe" })).toEqual([
      400,
      "invalid_argument",
      "FIELD_INVALID",
    ]);
    expect(await refusal("PUT", "x", { resource, body: "no archive".repeat(1000) })).toEqual([
      400,
      "invalid_argument",
      "FIELD_INVALID",
    ]);
    expect(await refusal("POST", "x", { resource })).toEqual([405, "unimplemented", "UNKNOWN_CALL"]);
  });
});
