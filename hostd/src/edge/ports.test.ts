/** Ports at the edge, before the real agent: this machine's programs are the guest's. */
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { portTokenOf, signingKeyOf } from "@daytonah/lib/sandbox-signature.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RealAgent, realAgent } from "../guest/testing/real-agent.ts";
import { accessOf, openEdge } from "./testing/open-edge.ts";

let agent: RealAgent;

beforeAll(async () => {
  agent = await realAgent();
});
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
});

async function program<S extends net.Server>(server: S, host = "127.0.0.1") {
  server.listen(0, host);
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    async [Symbol.asyncDispose]() {
      if (server instanceof http.Server) server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Edge = Awaited<ReturnType<typeof openEdge>>;

interface Answer {
  readonly status: number | undefined;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

/** A request to a port by its host name, under a domain that leads to this host. */
async function get(edge: Edge, port: number, headers: http.OutgoingHttpHeaders, path = "/"): Promise<Answer> {
  const host = `${port}-${edge.sandboxId}.127.0.0.1.nip.io:${edge.port}`;
  const request = http.get({ host: "127.0.0.1", port: edge.port, path, agent: false, headers: { host, ...headers } });
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode, headers: response.headers, text };
}

const tokenOf = (edge: Edge, port: number, token = "token-1") =>
  portTokenOf(signingKeyOf(token), edge.sandboxId, port, new Date(Date.now() + 60_000));

describe("a port's address at the edge", () => {
  test.each(["127.0.0.1", "::1"])("leads to a program on %s, by a token", async (host) => {
    await using edge = await openEdge(agent.path);
    const server = http.createServer((request, response) => response.end(`hello ${request.headers.host}`));
    await using guest = await program(server, host);
    const answer = await get(edge, guest.port, { "dnah-port-token": tokenOf(edge, guest.port) });
    expect(answer).toMatchObject({
      status: 200,
      text: expect.stringContaining(`hello ${guest.port}-sbx1.127.0.0.1.nip.io`),
    });
    expect((await get(edge, guest.port, {})).status).toBe(401);
  });

  test("is open where the port is public, and closed again when it is not", async () => {
    await using edge = await openEdge(agent.path);
    await using guest = await program(http.createServer((_, response) => response.end("hello")));
    await edge.setAccess(accessOf("token-1", 2, { tokenGeneration: 1, publicPorts: [guest.port] }));
    expect((await get(edge, guest.port, {})).text).toBe("hello");
    await edge.setAccess(accessOf("token-1", 3, { tokenGeneration: 1 }));
    expect((await get(edge, guest.port, {})).status).toBe(401);
  });

  test("takes no token and no cookie of before the access token was replaced", async () => {
    await using edge = await openEdge(agent.path);
    await using guest = await program(http.createServer((_, response) => response.end("hello")));
    const old = tokenOf(edge, guest.port);
    const browser = { accept: "text/html" };
    const link = await get(edge, guest.port, browser, `/?dnah_token=${old}`);
    expect(link.status).toBe(302);
    const cookie = link.headers["set-cookie"]?.[0]?.split(";")[0] as string;
    expect((await get(edge, guest.port, { ...browser, cookie })).text).toBe("hello");
    await edge.setAccess(accessOf("token-2", 2));
    expect((await get(edge, guest.port, { ...browser, cookie })).status).toBe(401);
    expect((await get(edge, guest.port, { "dnah-port-token": old })).status).toBe(401);
    expect((await get(edge, guest.port, { "dnah-port-token": tokenOf(edge, guest.port, "token-2") })).text).toBe(
      "hello",
    );
  });

  /** A connection that left HTTP, to a program that sends back what it hears. */
  async function leaveHttp(edge: Edge, port: number, headers: http.OutgoingHttpHeaders): Promise<net.Socket> {
    const host = `${port}-${edge.sandboxId}.localhost`;
    const upgrade = { host, connection: "upgrade", upgrade: "x", ...headers };
    const request = http.get({ host: "127.0.0.1", port: edge.port, agent: false, headers: upgrade });
    return ((await once(request, "upgrade")) as [http.IncomingMessage, net.Socket])[1];
  }
  const echo = () =>
    http.createServer().on("upgrade", (_, socket) => {
      socket.on("error", () => undefined);
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
      socket.pipe(socket);
    });

  test("ends connections under way when the access token is replaced", async () => {
    await using edge = await openEdge(agent.path);
    await using guest = await program(echo());
    const socket = await leaveHttp(edge, guest.port, { "dnah-port-token": tokenOf(edge, guest.port) });
    const broken = once(socket.resume(), "error");
    await edge.setAccess(accessOf("token-2", 2));
    expect((await broken)[0]).toMatchObject({ code: "ECONNRESET" });
  });

  test("ends who came while it was public when it is closed, and nobody who came by a link or to another port", async () => {
    await using edge = await openEdge(agent.path);
    await using guest = await program(echo());
    await using other = await program(echo());
    const byLink = await leaveHttp(edge, guest.port, { "dnah-port-token": tokenOf(edge, guest.port) });
    const ports = [guest.port, other.port];
    await edge.setAccess(accessOf("token-1", 2, { tokenGeneration: 1, publicPorts: ports }));
    const stranger = await leaveHttp(edge, guest.port, {});
    const elsewhere = await leaveHttp(edge, other.port, {});
    const broken = once(stranger.resume(), "error");
    await edge.setAccess(accessOf("token-1", 3, { tokenGeneration: 1, publicPorts: [other.port] }));
    expect((await broken)[0]).toMatchObject({ code: "ECONNRESET" });
    for (const socket of [byLink, elsewhere]) {
      socket.write("still here");
      expect(String((await once(socket, "data"))[0])).toBe("still here");
      socket.destroy();
    }
  });

  test("says what is wrong: nothing listens, the VM has ended", async () => {
    await using edge = await openEdge(agent.path);
    const headers = { "dnah-port-token": tokenOf(edge, 1), accept: "text/html" };
    const closed = await get(edge, 1, headers);
    expect([closed.status, closed.headers["dnah-error"]]).toEqual([502, "PORT_CLOSED"]);
    expect(closed.text).toContain("<h1>Nothing answers on this port</h1>");
    edge.vm.die();
    await expect.poll(() => edge.vm.entry.record.state).toBe("failed");
    const gone = await get(edge, 1, headers);
    expect([gone.status, gone.headers["dnah-error"]]).toEqual([502, "VM_DIED"]);
  });
});

test("a gRPC server behind the agent streams and fails in its trailers", async () => {
  await using edge = await openEdge(agent.path);
  const adapter = connectNodeAdapter({
    routes: (router) => {
      router.service(ProcessService, {
        async *exec() {
          for (let pid = 1; pid <= 3; pid += 1) yield { event: { case: "started", value: { pid } } };
          throw new ConnectError("in the end", Code.DataLoss);
        },
      });
    },
  });
  await using guest = await program(http2.createServer(adapter));
  const transport = createGrpcTransport({
    baseUrl: `http://${guest.port}-${edge.sandboxId}.localhost:${edge.port}`,
    nodeOptions: { lookup: (_, __, done) => done(null, [{ address: "127.0.0.1", family: 4 }]) },
  });
  const headers = { "dnah-port-token": tokenOf(edge, guest.port) };
  const pids: number[] = [];
  const failure = await (async () => {
    for await (const { event } of createClient(ProcessService, transport).exec({}, { headers })) {
      if (event.case === "started") pids.push(event.value.pid);
    }
  })().catch((error: unknown) => ConnectError.from(error));
  expect(pids).toEqual([1, 2, 3]);
  expect(failure).toMatchObject({ code: Code.DataLoss, rawMessage: "in the end" });
});

describe("a port as bare bytes at the edge", () => {
  async function connect(edge: Edge, port: number | string, authorization = "Bearer token-1", head = "") {
    const socket = net.connect({ host: "127.0.0.1", port: edge.port, allowHalfOpen: true });
    socket.write(
      `GET /v1/sandboxes/${edge.sandboxId}/ports/${port} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n` +
        `Connection: Upgrade\r\nUpgrade: dnah-tcp\r\n\r\n${head}`,
    );
    let seen = Buffer.alloc(0);
    while (!seen.includes("\r\n\r\n")) {
      const [chunk] = (await once(socket, "data")) as [Buffer];
      seen = Buffer.concat([seen, chunk]);
    }
    socket.pause();
    const end = seen.indexOf("\r\n\r\n") + 4;
    if (seen.length > end) socket.unshift(seen.subarray(end));
    return { socket, answer: seen.subarray(0, end).toString() };
  }

  async function textOf(socket: net.Socket): Promise<string> {
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    return text;
  }

  test("is the program's connection, each direction with an end of its own", async () => {
    await using edge = await openEdge(agent.path);
    const heard = Promise.withResolvers<string>();
    await using guest = await program(
      net.createServer({ allowHalfOpen: true }, (socket) => {
        socket.end("bye");
        textOf(socket).then(heard.resolve, heard.reject);
      }),
    );
    const { socket, answer } = await connect(edge, guest.port, undefined, "early ");
    expect(answer).toBe("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: dnah-tcp\r\n\r\n");
    expect(await textOf(socket)).toBe("bye");
    socket.write("still ");
    socket.end("here");
    expect(await heard.promise).toBe("early still here");
    await expect.poll(() => agent.front.connections.open).toBe(0);
  });

  test("ends when the access token is replaced", async () => {
    await using edge = await openEdge(agent.path);
    await using guest = await program(net.createServer((socket) => void socket.on("error", () => undefined)));
    const { socket } = await connect(edge, guest.port);
    const broken = once(socket.resume(), "error");
    await edge.setAccess(accessOf("token-2", 2));
    expect((await broken)[0]).toMatchObject({ code: "ECONNRESET" });
  });

  test.each([
    ["a wrong token", "80", "Bearer token-2", 401, "CREDENTIAL_INVALID"],
    ["a port that nothing listens on", "1", "Bearer token-1", 502, "PORT_CLOSED"],
    ["a port that can't be", "65536", "Bearer token-1", 404, "UNKNOWN_CALL"],
  ])("is refused for %s, typed", async (_, port, authorization, status, reason) => {
    await using edge = await openEdge(agent.path);
    const { socket, answer } = await connect(edge, port, authorization);
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(await textOf(socket)).toContain(`ERROR_REASON_${reason}`);
  });
});
