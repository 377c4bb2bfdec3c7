import { Code, ConnectError } from "@connectrpc/connect";
import { ChangeKind } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { FileChangeKind } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { describe, expect, test } from "vitest";
import { type Reply, scriptedAgent } from "../guest/testing/scripted-agent.ts";
import { oneVm } from "./testing/one-vm.ts";

const change = (kind: ChangeKind, path = "") => ({ case: "fileChange" as const, value: { kind, path } });
const ready = change(ChangeKind.READY);

/** A sandbox whose watches hear what a test says. */
async function watched() {
  const watches: Reply[] = [];
  const agent = await scriptedAgent({
    watchFiles: (_, reply) => {
      watches.push(reply);
      reply.send(ready);
    },
  });
  const vm = await oneVm(agent.path);
  const options = { headers: vm.headers };
  return {
    ...{ agent, vm, watches, options },
    create: async () => (await vm.files.createFileWatch({ path: "/a" }, options)).watchId,
    read: (watchId: string, cursor = 0n) => vm.files.readFileWatch({ watchId, cursor }, options),
    tell: (...paths: string[]) => watches.at(-1)?.send(...paths.map((path) => change(ChangeKind.WRITTEN, path))),
    async [Symbol.asyncDispose]() {
      vm.die();
      await vm[Symbol.asyncDispose]();
      await agent[Symbol.asyncDispose]();
    },
  };
}

async function failureOf(call: Promise<unknown>) {
  const error = await call.then(
    () => expect.fail("the call should have failed"),
    (reason: unknown) => reason,
  );
  return { code: ConnectError.from(error).code, reason: problemOf(error)?.reason };
}

const gone = { code: Code.NotFound, reason: "RESOURCE_NOT_FOUND" };

describe("a watch that is asked for its changes", () => {
  test("answers with what came since, and the same again to a repeat", async () => {
    await using box = await watched();
    const id = await box.create();
    expect(await box.read(id)).toMatchObject({ changes: [], nextCursor: 0n });
    box.tell("one", "two");
    await expect.poll(async () => (await box.read(id)).changes.map(({ path }) => path)).toEqual(["one", "two"]);
    expect((await box.read(id)).nextCursor).toBe(2n);
    box.tell("three");
    await expect.poll(async () => (await box.read(id, 2n)).changes.map(({ path }) => path)).toEqual(["three"]);
    expect(await failureOf(box.read(id, 9n))).toEqual({ code: Code.InvalidArgument, reason: "FIELD_INVALID" });
  });

  test("answers with at most 1,000 at once, and with one OVERFLOW for more than 10,000", async () => {
    await using box = await watched();
    const id = await box.create();
    box.tell(...Array.from({ length: 1_500 }, (_, index) => `f${index}`));
    await expect.poll(async () => (await box.read(id, 1_000n).catch(() => undefined))?.changes.length).toBe(500);
    const [first] = (await box.read(id, 1_000n)).changes;
    expect(first?.path).toBe("f1000");
    box.tell(...Array.from({ length: 10_001 }, (_, index) => `g${index}`), "last");
    const kinds = async () => (await box.read(id)).changes.map(({ kind, path }) => [kind, path]);
    await expect.poll(kinds).toContainEqual([FileChangeKind.WRITTEN, "last"]);
    expect((await kinds())[0]).toEqual([FileChangeKind.OVERFLOW, ""]);
  });

  test("goes on with an OVERFLOW where its connection to the agent breaks", async () => {
    await using box = await watched();
    const id = await box.create();
    box.tell("before");
    await expect.poll(async () => (await box.read(id)).changes.length).toBe(1);
    box.agent.breakAll();
    await expect.poll(() => box.watches.length, { timeout: 3_000 }).toBe(2);
    box.tell("after");
    await expect
      .poll(async () => (await box.read(id)).changes.map(({ kind, path }) => [kind, path]))
      .toEqual([
        [FileChangeKind.WRITTEN, "before"],
        [FileChangeKind.OVERFLOW, ""],
        [FileChangeKind.WRITTEN, "after"],
      ]);
  });

  test("ends when it is deleted, also twice, and lets go of the agent", async () => {
    await using box = await watched();
    const id = await box.create();
    for (const _ of [1, 2]) await box.vm.files.deleteFileWatch({ watchId: id }, box.options);
    expect(await failureOf(box.read(id))).toEqual(gone);
    await expect.poll(() => box.agent.connections.open).toBe(0);
  });

  test("ends with the agent's refusal, and with what the agent must not say", async () => {
    await using box = await watched();
    const id = await box.create();
    box.watches.at(-1)?.send(change(ChangeKind.CREATED, "../x"));
    await expect.poll(() => failureOf(box.read(id)).catch(() => undefined)).toEqual(gone);
  });

  test("is one of at most 64, and ends with its VM", async () => {
    await using box = await watched();
    const ids = await Promise.all(Array.from({ length: 64 }, () => box.create()));
    expect(new Set(ids).size).toBe(64);
    expect(await failureOf(box.create())).toEqual({ code: Code.ResourceExhausted, reason: "GUEST_LIMIT_EXCEEDED" });
    await box.vm.files.deleteFileWatch({ watchId: ids[0] as string }, box.options);
    await box.create();
    box.vm.die();
    await expect.poll(() => box.agent.connections.open).toBe(0);
  });
});

test("a watch as a stream tells OVERFLOW for what a broken connection may have missed", async () => {
  await using box = await watched();
  const told: [number, string][] = [];
  for await (const { event } of box.vm.files.watchFiles({ path: "/a" }, box.options)) {
    if (event.case === "change") told.push([event.value.kind, event.value.path]);
    if (told.length === 1) box.agent.breakAll();
    if (told.length === 2) box.tell("after");
    if (told.length === 3) break;
  }
  expect(told).toEqual([
    [FileChangeKind.READY, ""],
    [FileChangeKind.OVERFLOW, ""],
    [FileChangeKind.WRITTEN, "after"],
  ]);
});
