import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { FileChangeKind } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { describe, expect, test } from "vitest";
import { realAgent } from "../guest/testing/real-agent.ts";
import { standInAgent } from "../guest/testing/stand-in-agent.ts";
import { oneVm } from "./testing/one-vm.ts";

/** A folder that the agent, a process of this host, writes to; read back by Node. */
async function workplace() {
  const dir = await mkdtemp(join(tmpdir(), "dnah-files-"));
  const agent = await realAgent();
  const vm = await oneVm(agent.path);
  const { headers } = vm;
  return {
    ...{ dir, vm },
    at: (name: string) => join(dir, name),
    write: (name: string, data: Uint8Array, more: object = {}) =>
      vm.files.writeFile({ path: join(dir, name), data, ...more }, { headers }),
    async read(name: string, range: { offset?: bigint; length?: bigint } = {}) {
      const parts: Uint8Array[] = [];
      let size = -1n;
      for await (const { part } of vm.files.readFile({ path: join(dir, name), ...range }, { headers })) {
        if (part.case === "info") size = part.value.size;
        if (part.case === "data") parts.push(part.value);
      }
      return { size, data: Buffer.concat(parts) };
    },
    async [Symbol.asyncDispose]() {
      await vm[Symbol.asyncDispose]();
      await agent[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    },
  };
}

async function failureOf(call: Promise<unknown>) {
  const error = await call.then(
    () => expect.fail("the call should have failed"),
    (reason: unknown) => ConnectError.from(reason),
  );
  const problem = problemOf(error);
  return { code: error.code, reason: problem?.reason, ...problem?.options };
}

const piece = (uploadId: string, offset: number, last = false) => ({
  piece: { uploadId, offset: BigInt(offset), last },
});

describe("files on the real agent", () => {
  test("what is written is read back, whole or in part", async () => {
    await using work = await workplace();
    const data = Buffer.alloc(1024 * 1024, "0123456789");
    expect((await work.write("a/b/c", data)).info).toMatchObject({ name: "c", size: 1_048_576n, mode: 0o644 });
    expect((await work.read("a/b/c")).data.equals(data)).toBe(true);
    expect((await work.read("a/b/c", { offset: 5n, length: 3n })).data.toString()).toBe("567");
  });

  test("an empty file is a file", async () => {
    await using work = await workplace();
    await work.write("empty", new Uint8Array());
    expect((await work.read("empty")).size).toBe(0n);
  });

  test("stat tells what is there", async () => {
    await using work = await workplace();
    await writeFile(work.at("f"), "abc", { mode: 0o640 });
    const { info } = await work.vm.files.statFile({ path: work.at("f") }, { headers: work.vm.headers });
    expect(info).toMatchObject({ path: work.at("f"), name: "f", size: 3n, mode: 0o640 });
  });

  test("a tree comes in pages, each directory before what is in it", async () => {
    await using work = await workplace();
    await mkdir(work.at("many"));
    await Promise.all(Array.from({ length: 1_200 }, (_, index) => writeFile(work.at(`many/${index}`), "")));
    const { headers } = work.vm;
    const pages: string[][] = [];
    for await (const { files } of work.vm.files.listDirectory({ path: work.dir, depth: 2 }, { headers })) {
      pages.push(files.map(({ path }) => path));
    }
    expect(pages.map(({ length }) => length)).toEqual([1_000, 201]);
    expect(pages.flat()).toEqual([
      work.at("many"),
      ...(await readdir(work.at("many"))).map((name) => work.at(`many/${name}`)).sort(),
    ]);
  });

  test("a path is made, changed, moved and removed", async () => {
    await using work = await workplace();
    const { files, headers } = work.vm;
    const options = { headers };
    expect((await files.makeDirectory({ path: work.at("a/b"), mode: 0o750 }, options)).info?.mode).toBe(0o750);
    const again = await failureOf(files.makeDirectory({ path: work.at("a/b"), mustBeNew: true }, options));
    expect([again.code, again.reason]).toEqual([Code.AlreadyExists, "FILE_EXISTS"]);
    await writeFile(work.at("a/f"), "f");
    const modifyTime = { seconds: 1_000_000_000n, nanos: 0 };
    const changed = await files.setAttributes({ path: work.at("a/f"), mode: 0o600, modifyTime }, options);
    expect(changed.info).toMatchObject({ mode: 0o600, modifyTime });
    await writeFile(work.at("there"), "");
    const move = { source: work.at("a/f"), destination: work.at("there") };
    expect((await failureOf(files.moveFile({ ...move, noReplace: true }, options))).reason).toBe("FILE_EXISTS");
    expect((await files.moveFile(move, options)).info?.name).toBe("there");
    expect((await failureOf(files.removeFile({ path: work.at("a") }, options))).reason).toBeDefined();
    await files.removeFile({ path: work.at("a"), recursive: true }, options);
    expect(await readdir(work.dir)).toEqual(["there"]);
    expect((await failureOf(files.removeFile({ path: work.at("a") }, options))).reason).toBe("FILE_NOT_FOUND");
    await files.removeFile({ path: work.at("a"), missingOk: true }, options);
  });

  test("changes are streamed as they happen", async () => {
    await using work = await workplace();
    const { files, headers } = work.vm;
    const told: string[] = [];
    const request = { path: work.dir, includeInfo: true };
    for await (const { event } of files.watchFiles(request, { headers })) {
      if (event.case !== "change") continue;
      const { kind, path, info } = event.value;
      if (kind === FileChangeKind.READY) await writeFile(work.at("new"), "four");
      if (path !== "") told.push(path);
      if (info?.size === 4n) break;
    }
    expect(new Set(told)).toEqual(new Set(["new"]));
  });

  test("what is searched for is found, and replaced", async () => {
    await using work = await workplace();
    const { files, headers } = work.vm;
    await writeFile(work.at("a.txt"), "one\ntwo one\n");
    await writeFile(work.at("b.md"), "one\n");
    const found: string[] = [];
    const request = { path: work.dir, content: "one", nameGlob: "*.txt" };
    for await (const { matches } of files.searchFiles(request, { headers })) {
      found.push(...matches.map(({ line, column, text }) => `${line}:${column} ${text}`));
    }
    expect(found).toEqual(["1:1 one", "2:5 two one"]);
    const paths = ["a.txt", "b.md", "none"].map(work.at);
    const answer = await files.replaceInFiles({ paths, pattern: "one", replacement: "1" }, { headers });
    const shown = answer.files.map(({ replacements, failureReason }) => [Number(replacements), failureReason]);
    expect(shown).toEqual([
      [2, ""],
      [1, ""],
      [0, "FILE_NOT_FOUND"],
    ]);
    expect(await readFile(work.at("a.txt"), "latin1")).toBe("1\ntwo 1\n");
  });

  test("an upload in pieces changes the path at its end", async () => {
    await using work = await workplace();
    await writeFile(work.at("f"), "before", { mode: 0o600 });
    await work.write("f", Buffer.from("abc"), piece("u1", 0));
    await work.write("f", Buffer.from("def"), piece("u1", 3));
    expect(await readFile(work.at("f"), "latin1")).toBe("before");
    const { info } = await work.write("f", Buffer.from("g"), piece("u1", 6, true));
    expect(info).toMatchObject({ name: "f", size: 7n, mode: 0o600 });
    expect(await readFile(work.at("f"), "latin1")).toBe("abcdefg");
    expect(await readdir(work.dir)).toEqual(["f"]);
  });

  test("a piece sent again changes nothing, also the last one", async () => {
    await using work = await workplace();
    await work.write("f", Buffer.from("abc"), piece("u", 0));
    await work.write("f", Buffer.from("def"), piece("u", 3));
    await work.write("f", Buffer.from("XXX"), piece("u", 0));
    await work.write("f", Buffer.from("gh"), piece("u", 6, true));
    const { info } = await work.write("f", Buffer.from("gh"), piece("u", 6, true));
    expect(info?.size).toBe(8n);
    expect(await readFile(work.at("f"), "latin1")).toBe("abcdefgh");
  });

  test("a piece that leaves a gap is INPUT_GAP with the offset to go on at", async () => {
    await using work = await workplace();
    await work.write("f", Buffer.from("abc"), piece("u", 0));
    const failure = await failureOf(work.write("f", Buffer.from("x"), piece("u", 9)));
    expect([failure.code, failure.reason]).toEqual([Code.OutOfRange, "INPUT_GAP"]);
    expect(failure.metadata).toMatchObject({ expected_offset: "3" });
  });

  test("an upload to a link changes what it points to", async () => {
    await using work = await workplace();
    await writeFile(work.at("real"), "before");
    await symlink("real", work.at("link"));
    await work.write("link", Buffer.from("after"), piece("u", 0, true));
    expect(await readFile(work.at("real"), "latin1")).toBe("after");
    expect((await stat(work.at("link"))).size).toBe(5);
  });

  test("what is not there, or no file, is a typed error", async () => {
    await using work = await workplace();
    const missing = await failureOf(work.read("nothing"));
    expect([missing.code, missing.reason]).toEqual([Code.NotFound, "FILE_NOT_FOUND"]);
    const folder = await failureOf(work.read("."));
    expect([folder.code, folder.reason]).toEqual([Code.FailedPrecondition, "FILE_WRONG_TYPE"]);
    const over = await failureOf(work.write(".", new Uint8Array(1)));
    expect(over.reason).toBe("FILE_WRONG_TYPE");
  });
});

test("an agent that breaks off inside a file is AGENT_UNREACHABLE, not the file's end", async () => {
  await using agent = await standInAgent((_, socket) => socket.end(Buffer.from([5, 1])));
  await using vm = await oneVm(agent.path);
  const read = async () => {
    for await (const _part of vm.files.readFile({ path: "/x" }, { headers: vm.headers }));
  };
  const failure = await failureOf(read());
  expect([failure.code, failure.reason]).toEqual([Code.Unavailable, "AGENT_UNREACHABLE"]);
});
