import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { ErrorReason } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { Problem } from "@daytonah/lib/problem.ts";
import { describe, expect, test } from "vitest";
import { agentPort, createAgentClient } from "./agent-client.ts";
import { awaitAgent } from "./await-agent.ts";
import { GuestConnectionError } from "./guest-connection-error.ts";
import { realAgent } from "./testing/real-agent.ts";
import { endFrame, responseFrame, standInAgent, standInVsock } from "./testing/stand-in-agent.ts";

const signal = new AbortController().signal;
const clientOf = (path: string) => createAgentClient({ path, port: agentPort });
const ping = { case: "ping" as const, value: {} };
const pong = responseFrame({ event: { case: "pong", value: { runningProcesses: 3 } } });

function varint(value: number): Uint8Array {
  return new BinaryWriter().uint32(value).finish();
}

async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => expect.fail("the call should have failed"),
    (error: unknown) => error,
  );
}

async function faultOf(call: Promise<unknown>): Promise<string> {
  const error = await failureOf(call);
  expect(error).toBeInstanceOf(GuestConnectionError);
  return (error as GuestConnectionError).fault;
}

describe("a call", () => {
  test("is one connection, and its answer comes back", async () => {
    await using agent = await standInAgent((request, socket) => {
      expect([request.protocol, request.requestId, request.call.case]).toEqual([1, "r1", "ping"]);
      socket.end(Buffer.concat([responseFrame({ hello: { protocol: 1 } }), pong, endFrame]));
    });
    const answer = await clientOf(agent.path).unary(ping, "pong", { signal, requestId: "r1" });
    expect(answer.runningProcesses).toBe(3);
    expect(agent.connections.made).toBe(1);
  });

  test("skips events that this daemon does not know", async () => {
    await using agent = await standInAgent((_, socket) => {
      socket.end(Buffer.concat([Buffer.from([4, 0xfa, 0x3f, 1, 0]), pong, endFrame]));
    });
    expect((await clientOf(agent.path).unary(ping, "pong", { signal })).runningProcesses).toBe(3);
  });

  test("ends at once with a frame of a million empty entries, which would take many seconds to decode", async () => {
    const entries = Buffer.alloc(2 * 2 ** 20, Buffer.of(0x0a, 0)); // field 1, nothing in it
    const event = Buffer.concat([Buffer.of(0x9a, 0x03), varint(entries.length), entries]); // file_list
    await using agent = await standInAgent((_, socket) => {
      socket.end(Buffer.concat([varint(event.length), event, endFrame]));
    });
    const began = performance.now();
    expect(await faultOf(clientOf(agent.path).unary(ping, "pong", { signal }))).toBe("protocol");
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test("passes a refusal on with the public field's path", async () => {
    const error = { reason: ErrorReason.CWD_NOT_FOUND, message: "no /x", field: "start_process.cwd", errno: 2 };
    await using agent = await standInAgent((_, socket) => {
      socket.end(responseFrame({ event: { case: "end", value: { error } } }));
    });
    const failure = (await failureOf(clientOf(agent.path).unary(ping, "pong", { signal }))) as Problem;
    expect(failure).toBeInstanceOf(Problem);
    expect([failure.reason, failure.message]).toEqual(["CWD_NOT_FOUND", "no /x"]);
    expect(failure.options.violations).toEqual([{ field: "cwd", rule: "sandbox", message: "no /x" }]);
    expect(failure.options.metadata).toEqual({ errno: "2" });
  });

  test("ends with its signal, and leaves no connection", async () => {
    await using agent = await standInAgent(() => undefined);
    const controller = new AbortController();
    const call = failureOf(clientOf(agent.path).unary(ping, "pong", { signal: controller.signal }));
    await expect.poll(() => agent.connections.open).toBe(1);
    controller.abort(new Error("enough"));
    expect(String(await call)).toBe("Error: enough");
    await expect.poll(() => agent.connections.open).toBe(0);
  });

  test("is held back by a consumer that does not read", async () => {
    let sent = 0;
    await using agent = await standInAgent((_, socket) => {
      const piece = responseFrame({ event: { case: "data", value: new Uint8Array(64 * 1024) } });
      const more = () => {
        while (sent < 200 && socket.write(piece)) sent += 1;
      };
      socket.on("drain", () => {
        sent += 1;
        more();
      });
      more();
    });
    using stream = await clientOf(agent.path).open({ case: "readFile", value: { path: "/x" } }, { signal });
    expect((await stream.next())?.case).toBe("data");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sent).toBeLessThan(50);
  });
});

describe("content that is sent", () => {
  const target = (path: string) => ({ case: "writeFile" as const, value: { path } });

  test("arrives whole, and as fast as the agent takes it", async () => {
    await using agent = await realAgent();
    await using dir = await mkdtempDisposable(join(tmpdir(), "dnah-"));
    const path = join(dir.path, "f");
    using stream = await clientOf(agent.path).open(target(path), { signal });
    const piece = Buffer.alloc(1024 * 1024, "0123456789abcdef");
    for (let n = 0; n < 20; n += 1) await stream.send(piece);
    await stream.send(Buffer.from("end"));
    await stream.sendClose();
    expect((await stream.next())?.value).toMatchObject({ size: 20_971_523n });
    expect(await stream.next()).toBeUndefined();
    const written = await readFile(path);
    expect(written.subarray(-3).toString()).toBe("end");
    expect(written.subarray(0, -3).equals(Buffer.concat(Array(20).fill(piece)))).toBe(true);
  });

  test("waits while the agent does not read", async () => {
    await using agent = await standInAgent((_, socket) => socket.pause());
    using stream = await clientOf(agent.path).open(target("/x"), { signal });
    const sent = (async () => {
      for (let n = 0; n < 100; n += 1) await stream.send(Buffer.alloc(1024 * 1024));
      return "all";
    })();
    const late = new Promise((resolve) => setTimeout(() => resolve("held back"), 200));
    expect(await Promise.race([sent, late])).toBe("held back");
    agent.breakAll();
    expect(await faultOf(sent)).toBe("broken");
  });

  test("does not hide why the agent refused it", async () => {
    await using agent = await realAgent();
    using stream = await clientOf(agent.path).open(target("/"), { signal });
    const answer = failureOf(stream.next());
    for (let n = 0; n < 64; n += 1) await stream.send(Buffer.alloc(1024 * 1024));
    expect(await answer).toMatchObject({ reason: "FILE_WRONG_TYPE" });
  });
});

describe("a hostile agent", () => {
  const bytes = (...values: number[]) => Buffer.from(values);
  test.each([
    ["a frame over the limit", bytes(0xff, 0xff, 0xff, 0x7f), "protocol"],
    ["a frame that is no message", bytes(3, 0xff, 0xff, 0xff), "protocol"],
    ["an end without an answer", endFrame, "protocol"],
    ["a torn frame", bytes(100, 1, 2), "broken"],
    ["nothing", bytes(), "broken"],
    ["an answer without an end", pong, "broken"],
  ])("that sends %s is %s", async (_, answer, fault) => {
    await using agent = await standInAgent((__, socket) => socket.end(answer));
    expect(await faultOf(clientOf(agent.path).unary(ping, "pong", { signal }))).toBe(fault);
  });

  test("that sends heartbeats for ever is silent", async () => {
    const heartbeat = responseFrame({ event: { case: "heartbeat", value: {} } });
    await using agent = await standInAgent((_, socket) => {
      const timer = setInterval(() => socket.write(heartbeat), 10);
      socket.once("close", () => clearInterval(timer));
    });
    expect(await faultOf(clientOf(agent.path).unary(ping, "pong", { signal, timeoutMs: 150 }))).toBe("silent");
  });

  test("that says nothing is silent", async () => {
    await using agent = await standInAgent(() => undefined);
    expect(await faultOf(clientOf(agent.path).unary(ping, "pong", { signal, timeoutMs: 50 }))).toBe("silent");
    await expect.poll(() => agent.connections.open).toBe(0);
  });

  test("with control bytes and a foreign field in its message has them taken out", async () => {
    const error = { reason: 4711, message: `a\u001b[31m${"x".repeat(5000)}`, field: "a.b<script>" };
    await using agent = await standInAgent((_, socket) => {
      socket.end(responseFrame({ event: { case: "end", value: { error: error as never } } }));
    });
    const failure = (await failureOf(clientOf(agent.path).unary(ping, "pong", { signal }))) as Problem;
    expect(failure.reason).toBe("INTERNAL");
    expect(failure.message).toHaveLength(1024);
    expect(failure.message).toMatch(/^a \[31mx+$/);
    expect(failure.options.violations).toEqual([]);
  });
});

describe("a vsock device", () => {
  test.each([
    ["answers with a line that never ends", "x".repeat(100), "protocol"],
    ["answers with something else", "NO\n", "protocol"],
  ])("that %s is not believed", async (_, line, fault) => {
    await using agent = await standInVsock((socket) => socket.write(line));
    expect(await faultOf(clientOf(agent.path).unary(ping, "pong", { signal }))).toBe(fault);
  });

  test("that closes has no agent behind it", async () => {
    await using agent = await standInVsock((socket) => socket.end());
    expect(await faultOf(clientOf(agent.path).unary(ping, "pong", { signal }))).toBe("unconnected");
  });

  test("that is not there has no agent behind it", async () => {
    expect(await faultOf(clientOf("/nonexistent/v").unary(ping, "pong", { signal }))).toBe("unconnected");
  });
});

describe("the wait for an agent", () => {
  test("ends with the first answer", async () => {
    let calls = 0;
    await using vsock = await standInVsock((socket) => {
      if (++calls < 4) socket.destroy();
      else socket.end(Buffer.concat([Buffer.from("OK 1\n"), pong, endFrame]));
    });
    expect((await awaitAgent(clientOf(vsock.path), { signal })).runningProcesses).toBe(3);
    expect(calls).toBe(4);
  });

  test("ends with its signal", async () => {
    const failure = await failureOf(awaitAgent(clientOf("/nonexistent/v"), { signal: AbortSignal.timeout(30) }));
    expect((failure as Error).name).toBe("TimeoutError");
  });
});
