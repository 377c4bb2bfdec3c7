import { once } from "node:events";
import net from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { type Input, InputSchema } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { agentPort, createAgentClient } from "./agent-client.ts";
import { forwardPort } from "./forward-port.ts";
import { FrameDecoder } from "./frames.ts";
import { GuestConnectionError } from "./guest-connection-error.ts";
import { type RealAgent, realAgent } from "./testing/real-agent.ts";
import { endFrame, responseFrame, standInAgent } from "./testing/stand-in-agent.ts";

const { signal } = new AbortController();
const clientOf = (path: string) => createAgentClient({ path, port: agentPort });

/** A program of this machine, which is the agent's guest here. */
async function program(serve: (socket: net.Socket) => void, host = "127.0.0.1") {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on("error", () => undefined));
    serve(socket);
  });
  server.listen(0, host);
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => expect.fail("it should have failed"),
    (error: unknown) => error,
  );
}

const brokenBy = async (connection: Duplex) => (await once(connection.resume(), "error"))[0] as unknown;

describe("a connection to a port", () => {
  let agent: RealAgent;
  beforeAll(async () => {
    agent = await realAgent();
  });
  afterAll(async () => {
    await agent[Symbol.asyncDispose]();
  });
  const dial = (port: number, options = { signal }) => forwardPort(clientOf(agent.path), port, options);

  test.each(["127.0.0.1", "::1"])("reaches a program on %s, and goes with it", async (host) => {
    await using echo = await program((socket) => void socket.pipe(socket), host);
    const connection = await dial(echo.port);
    connection.write("one ");
    connection.end("two");
    let text = "";
    for await (const chunk of connection) text += String(chunk);
    expect(text).toBe("one two");
    await expect.poll(() => connection.destroyed).toBe(true);
    await expect.poll(() => agent.front.connections.open).toBe(0);
  });

  test("to a port that nothing listens on fails before it is there", async () => {
    const gone = await program(() => undefined);
    await gone[Symbol.asyncDispose]();
    expect(problemOf(await failureOf(dial(gone.port)))?.reason).toBe("PORT_CLOSED");
  });

  test("keeps its directions apart: each may end first", async () => {
    await using talker = await program((socket) => {
      socket.end("bye"); // at once, and listens on
      let heard = "";
      socket.on("data", (chunk) => {
        heard += String(chunk);
      });
      socket.once("end", () => told.resolve(heard));
    });
    const told = Promise.withResolvers<string>();
    const connection = await dial(talker.port);
    connection.resume();
    await once(connection, "end");
    connection.write("still ");
    await sleep(50);
    expect(connection.destroyed).toBe(false);
    connection.end("here");
    expect(await told.promise).toBe("still here");
    await expect.poll(() => connection.destroyed).toBe(true);
  });

  test("moves 64 MiB each way at once, whole", async () => {
    await using echo = await program((socket) => void socket.pipe(socket));
    const connection = await dial(echo.port);
    const piece = Buffer.alloc(3_000_000, "abcdefg");
    const pieces = 22;
    const sending = (async () => {
      for (let n = 0; n < pieces; n += 1) if (!connection.write(piece)) await once(connection, "drain");
      connection.end();
    })();
    let total = 0;
    for await (const chunk of connection) {
      const bytes = chunk as Buffer;
      expect(bytes[0]).toBe(piece[total % piece.length]);
      total += bytes.length;
    }
    await sending;
    expect(total).toBe(pieces * piece.length);
  });

  test("holds the program back where nobody reads, and the writer where the program does not", async () => {
    let sent = 0;
    await using flood = await program((socket) => {
      const piece = Buffer.alloc(64 * 1024);
      const more = () => {
        while (sent < 4_000 && socket.write(piece)) sent += 1;
      };
      socket.on("drain", more);
      more();
    });
    const connection = await dial(flood.port);
    connection.once("data", () => connection.pause());
    await sleep(300);
    expect(sent).toBeLessThan(500); // 32 MiB: what kernels keep
    const piece = Buffer.alloc(1024 * 1024);
    let written = 0;
    while (written < 100 && connection.write(piece)) written += 1;
    await Promise.race([once(connection, "drain"), sleep(200)]);
    expect(written).toBeLessThan(100);
    connection.destroy();
    await expect.poll(() => agent.front.connections.open).toBe(0);
  });

  test("that the program resets breaks, typed", async () => {
    await using rude = await program((socket) => void socket.once("data", () => socket.resetAndDestroy()));
    const connection = await dial(rude.port);
    connection.write("x");
    expect(problemOf(await brokenBy(connection))?.reason).toBe("PORT_CLOSED");
  });

  test("resets the program's where it is broken off", async () => {
    const reset = Promise.withResolvers<NodeJS.ErrnoException>();
    await using victim = await program((socket) => void socket.on("error", reset.resolve));
    (await dial(victim.port)).destroy();
    expect((await reset.promise).code).toBe("ECONNRESET");
  });

  test("ends with its signal, also where nobody reads", async () => {
    await using silent = await program(() => undefined);
    const controller = new AbortController();
    const connection = await dial(silent.port, { signal: controller.signal });
    const broken = once(connection, "error");
    controller.abort(new Error("enough"));
    expect(String((await broken)[0])).toBe("Error: enough");
    await expect.poll(() => agent.front.connections.open).toBe(0);
  });
});

describe("a hostile agent", () => {
  const begun = responseFrame({ hello: { protocol: 1 } });
  const data = (length: number) => responseFrame({ event: { case: "data", value: new Uint8Array(length) } });
  const close = responseFrame({ event: { case: "close", value: {} } });

  test.each([
    ["data before it began", [data(1)], undefined],
    ["its end instead of a beginning", [endFrame], undefined],
    ["nothing", [], undefined],
    ["an end before the directions are over", [begun, endFrame], "PORT_CLOSED"],
    ["a piece over the limit", [begun, data(1024 * 1024 + 1)], undefined],
    ["data after the end of data", [begun, close, data(1)], undefined],
    ["the end of data twice", [begun, close, close], undefined],
    ["what belongs to another call", [begun, responseFrame({ event: { case: "pong", value: {} } })], undefined],
    ["half a frame", [begun, Buffer.from([100, 1])], undefined],
  ])("that sends %s breaks the connection", async (_, frames, reason) => {
    await using agent = await standInAgent((__, socket) => socket.end(Buffer.concat(frames)));
    const failure = await failureOf(
      (async () => {
        for await (const _chunk of await forwardPort(clientOf(agent.path), 80, { signal }));
      })(),
    );
    if (reason === undefined) expect(failure).toBeInstanceOf(GuestConnectionError);
    else expect(problemOf(failure)?.reason).toBe(reason);
    await expect.poll(() => agent.connections.open).toBe(0);
  });
});

test("many small writes share a piece, and a large one is cut", async () => {
  const pieces: number[] = [];
  await using agent = await standInAgent((_, socket) => {
    socket.write(responseFrame({ hello: { protocol: 1 } }));
    const decoder = new FrameDecoder();
    socket.on("data", (chunk: Buffer) => {
      decoder.push(chunk);
      for (let frame = decoder.next(); frame; frame = decoder.next()) note(fromBinary(InputSchema, frame), socket);
    });
  });
  const note = ({ input }: Input, socket: net.Socket) => {
    if (input.case === "data") pieces.push(input.value.length);
    else socket.end(Buffer.concat([responseFrame({ event: { case: "close", value: {} } }), endFrame]));
  };
  const connection = await forwardPort(clientOf(agent.path), 80, { signal });
  connection.write(Buffer.alloc(2_500_000));
  for (let n = 0; n < 100; n += 1) connection.write("0123456789");
  connection.end();
  await once(connection.resume(), "close");
  expect(pieces).toEqual([1_048_576, 1_048_576, 402_848, 1000]);
});
