import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failureOf } from "./testing/failure-of.ts";
import { type FilesOfOneVm, filesOfOneVm, ways } from "./testing/files-of-one-vm.ts";

const type = "multipart/form-data; boundary=edge";

function form(...parts: { name?: string; filename?: string; data: string | Buffer }[]): Buffer {
  const pieces = parts.flatMap(({ name = "file", filename, data }) => {
    const file = filename === undefined ? "" : `; filename="${filename}"`;
    return [`--edge\r\ncontent-disposition: form-data; name="${name}"${file}\r\n\r\n`, data, "\r\n"];
  });
  return Buffer.concat([...pieces, "--edge--\r\n"].map((piece) => Buffer.from(piece)));
}

describe.each(ways)("a form sent by way of %s", (way) => {
  let vm: FilesOfOneVm;
  beforeAll(async () => {
    vm = await filesOfOneVm(way);
  });
  afterAll(() => vm[Symbol.asyncDispose]());
  const read = (name: string) => readFile(join(vm.dir, name), "latin1");
  const post = (name: string, body: Buffer, contentType = type) =>
    vm.ask("POST", name, { headers: { "content-type": contentType }, body });
  const paths = async (answer: Awaited<ReturnType<typeof post>>) =>
    (JSON.parse((await answer.body()).toString()) as { files: { path: string }[] }).files.map(({ path }) => path);

  test("brings its files to where they say, or into the directory that the address names", async () => {
    const named = await post(
      "",
      form({ filename: join(vm.dir, "own/a"), data: "A" }, { name: "note", data: "no file" }),
    );
    expect([named.status, await paths(named)]).toEqual([200, [join(vm.dir, "own/a")]]);
    const below = await post("dir/", form({ filename: "b", data: "B" }, { filename: "c/d", data: "D" }));
    expect(await paths(below)).toEqual([join(vm.dir, "dir/b"), join(vm.dir, "dir/c/d")]);
    expect([await read("own/a"), await read("dir/b"), await read("dir/c/d")]).toEqual(["A", "B", "D"]);
  });

  test("brings its one file to the path of the address", async () => {
    const data = Buffer.alloc(20 * 1024 * 1024, "no edge\r\n--edg");
    const answer = await post("one", form({ filename: "ignored", data }));
    expect(answer.status).toBe(200);
    expect((await readFile(join(vm.dir, "one"))).equals(data)).toBe(true);
    const two = form({ filename: "a", data: "A" }, { filename: "b", data: "B" });
    expect(await failureOf(await post("one", two))).toEqual([400, "invalid_argument", "FIELD_INVALID"]);
  });

  test("that breaks off leaves no half of a file", async () => {
    const whole = form({ filename: "whole", data: "W" }, { filename: "half", data: "H".repeat(1000) });
    const torn = await post("torn/", whole.subarray(0, whole.length - 500));
    expect(await failureOf(torn)).toEqual([400, "invalid_argument", "FIELD_INVALID"]);
    await expect(read("torn/half")).rejects.toThrow("ENOENT");
    await expect.poll(() => vm.connections.open).toBe(0);
  });

  test("that can't be is a typed error, however much of it is still to come", async () => {
    await mkdir(join(vm.dir, "folder"));
    const large = Buffer.alloc(8 * 1024 * 1024);
    const refusal = async (...[name, body, contentType]: Parameters<typeof post>) =>
      failureOf(await post(name, body, contentType));
    const field = [400, "invalid_argument", "FIELD_INVALID"];
    expect(await refusal("folder", form({ filename: "x", data: large }))).toEqual([
      400,
      "failed_precondition",
      "FILE_WRONG_TYPE",
    ]);
    expect(await refusal("dir/", form({ filename: "../x", data: large }))).toEqual(field);
    expect(await refusal("dir/", form({ filename: "/etc/x", data: "x" }))).toEqual(field);
    expect(await refusal("", form({ filename: "", data: "x" }))).toEqual(field);
    expect(await refusal("", form({ name: "a", data: "no file" }))).toEqual(field);
    expect(await refusal("x", form({ filename: "x", data: "x" }), "text/plain")).toEqual(field);
    expect(await refusal("x", Buffer.from("no form"))).toEqual(field);
  });
});
