import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http2 from "node:http2";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { breakOffStream, wasReset } from "@daytonah/lib/edge/join-streams.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RealAgent, realAgent } from "../guest/testing/real-agent.ts";
import { makePki, type TestPki } from "../testing/pki.ts";
import { servedVm } from "./testing/served-vm.ts";

let dir: string;
let pki: TestPki;
let agent: RealAgent;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "dnah-"));
  pki = makePki(dir);
  agent = await realAgent();
});
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

/** The daemon's port, and the control plane's session to it. */
async function daemon() {
  const vm = await servedVm(pki, agent.path);
  const session = http2.connect(vm.url, { ca: pki.ca, ...pki.server });
  const tunnel = (authority: string, headers: http2.OutgoingHttpHeaders = {}) =>
    session.request({
      ...{ ":method": "CONNECT", ":authority": authority, authorization: `Bearer ${pki.bearer}`, "sandbox-epoch": "7" },
      ...headers,
    });
  return {
    ...{ vm, session, tunnel },
    async [Symbol.asyncDispose]() {
      session.destroy();
      await vm[Symbol.asyncDispose]();
    },
  };
}

async function program(serve: (socket: net.Socket) => void) {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => serve(socket.on("error", () => undefined)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as net.AddressInfo).port, [Symbol.asyncDispose]: async () => void server.close() };
}

const statusOf = async (stream: http2.ClientHttp2Stream) =>
  ((await once(stream, "response")) as [http2.IncomingHttpHeaders])[0][":status"];

/** `events.once` would reject for the error that comes before. */
const closed = (stream: http2.ClientHttp2Stream) =>
  new Promise<void>((resolve) =>
    stream
      .on("error", () => undefined)
      .resume()
      .once("close", resolve),
  );

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  return text;
}

describe("a CONNECT to a port", () => {
  test("is a tunnel of bytes, and each direction ends on its own", async () => {
    await using host = await daemon();
    const heard = Promise.withResolvers<string>();
    await using guest = await program((socket) => {
      socket.end("bye");
      textOf(socket).then(heard.resolve, heard.reject);
    });
    const stream = host.tunnel(`sbx1:${guest.port}`);
    expect(await statusOf(stream)).toBe(200);
    expect(await textOf(stream)).toBe("bye");
    stream.write("still ");
    stream.end("here");
    expect(await heard.promise).toBe("still here");
    await expect.poll(() => agent.front.connections.open).toBe(0);
  });

  test("is held back by a program that does not read, and the program by a client that does not", async () => {
    await using host = await daemon();
    let sent = 0;
    await using guest = await program((socket) => {
      const more = () => {
        while (sent < 2_000 && socket.write(Buffer.alloc(64 * 1024))) sent += 1;
      };
      socket.on("drain", more).pause();
      more();
    });
    const stream = host.tunnel(`sbx1:${guest.port}`);
    expect(await statusOf(stream)).toBe(200);
    let written = 0;
    while (written < 200 && stream.write(Buffer.alloc(1024 * 1024))) written += 1;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(sent).toBeLessThan(1_000);
    expect(written).toBeLessThan(200);
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await expect.poll(() => agent.front.connections.open).toBe(0);
  });

  test("that the client breaks off never looks as if it had ended", async () => {
    await using host = await daemon();
    const broken = Promise.withResolvers<unknown>();
    await using guest = await program((socket) => {
      socket.write("x");
      socket
        .on("error", broken.resolve)
        .on("end", () => broken.reject(new Error("it ended")))
        .resume();
    });
    const stream = host.tunnel(`sbx1:${guest.port}`);
    await once(stream, "data");
    stream.on("error", () => undefined).write("some of it");
    breakOffStream(stream); // as the control plane does
    expect(await broken.promise).toMatchObject({ code: "ECONNRESET" });
  });

  test("breaks with the program's connection, and with the VM", async () => {
    await using host = await daemon();
    await using rude = await program((socket) => socket.once("data", () => socket.resetAndDestroy()));
    const reset = host.tunnel(`sbx1:${rude.port}`);
    reset.write("x");
    await closed(reset);
    expect(wasReset(reset)).toBe(true);
    await using silent = await program(() => undefined);
    const cut = host.tunnel(`sbx1:${silent.port}`);
    expect(await statusOf(cut)).toBe(200);
    host.vm.die();
    await closed(cut);
    expect(wasReset(cut)).toBe(true);
  });

  test.each([
    ["to a port that nothing listens on", "sbx1:1", {}, 400, "ERROR_REASON_PORT_CLOSED"],
    ["to another sandbox", "sbx2:1", {}, 404, "ERROR_REASON_SANDBOX_NOT_FOUND"],
    ["for another epoch", "sbx1:1", { "sandbox-epoch": "6" }, 409, "ERROR_REASON_SANDBOX_STATE_CONFLICT"],
    [
      "for a stranger, to a port that is not public",
      "sbx1:1",
      { "sandbox-public-port": "1" },
      401,
      "CREDENTIAL_MISSING",
    ],
    ["without the bearer", "sbx1:1", { authorization: "Bearer x" }, 401, "ERROR_REASON_CREDENTIAL_INVALID"],
    ["to nowhere", "sbx1", {}, 400, "ERROR_REASON_FIELD_INVALID"],
    ["to no port", "sbx1:65536", {}, 400, "ERROR_REASON_FIELD_INVALID"],
  ])("%s is refused, typed", async (_, authority, headers, status, reason) => {
    await using host = await daemon();
    const stream = host.tunnel(authority, headers);
    expect(await statusOf(stream)).toBe(status);
    expect(await textOf(stream)).toContain(reason);
  });
});
