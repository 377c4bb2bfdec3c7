import { once } from "node:events";
import http from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import net from "node:net";
import { errorToJson } from "@connectrpc/connect/protocol-connect";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { joinStreams } from "@daytonah/lib/edge/join-streams.ts";
import { problem, toConnectError } from "@daytonah/lib/problem.ts";
import { describe, expect, test } from "vitest";
import { type TestServer, testServer } from "../testing/test-server.ts";

/** A host whose guests' ports are this machine's. */
function onConnect({ authority, headers }: Http2ServerRequest, { stream }: Http2ServerResponse): void {
  const socket = net.connect({ host: "127.0.0.1", port: Number(authority.split(":")[1]), allowHalfOpen: true });
  socket.once("connect", () => {
    stream.respond({ ":status": 200 });
    joinStreams({ stream }, { stream: socket });
  });
  socket.once("error", () => {
    if (stream.headersSent) return;
    const { "sandbox-epoch": epoch, "sandbox-token-generation": token, "sandbox-public-port": open } = headers;
    const failure = problem("PORT_CLOSED", `epoch ${epoch}, token ${token}, public ${open}: connection refused`);
    stream.respond({ ":status": 400, "content-type": "application/json" });
    stream.end(JSON.stringify(errorToJson(toConnectError(failure, ""), undefined)));
  });
}

async function platform() {
  const server = await testServer({ onConnect });
  const sandboxes = server.client(SandboxService);
  const { sandbox, accessToken } = await sandboxes.createSandbox({});
  const sandboxId = sandbox?.id as string;
  const tokenOf = async (port: number) => (await sandboxes.createPortUrl({ sandboxId, port })).token;
  return {
    server,
    sandboxes,
    sandboxId,
    accessToken,
    tokenOf,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function program<S extends net.Server>(server: S) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    async [Symbol.asyncDispose]() {
      if (server instanceof http.Server) server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const hello = () => program(http.createServer((request, response) => response.end(`hello ${request.headers.host}`)));

async function get({ url }: TestServer, host: string, headers: http.OutgoingHttpHeaders = {}, path = "/") {
  const address = { host: "127.0.0.1", port: new URL(url).port, path, agent: false };
  const request = http.get({ ...address, headers: { host, ...headers } });
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode, headers: response.headers, text, error: response.headers["dnah-error"] };
}

describe("a port's address at the control plane", () => {
  test("leads to the program by the link that CreatePortUrl gives, and keeps the browser by a cookie", async () => {
    await using on = await platform();
    await using guest = await hello();
    const { url } = await on.sandboxes.createPortUrl({ sandboxId: on.sandboxId, port: guest.port });
    const link = new URL(url);
    const browser = { accept: "text/html" };
    const first = await get(on.server, link.host, browser, link.pathname + link.search);
    expect([first.status, first.headers.location]).toEqual([302, "/"]);
    const cookie = first.headers["set-cookie"]?.[0]?.split(";")[0] as string;
    expect((await get(on.server, link.host, { ...browser, cookie })).text).toBe(`hello ${link.host}`);
  });

  test("is nobody's without a token, public when asked, and dead to old tokens after a rotation, at once", async () => {
    await using on = await platform();
    await using guest = await hello();
    const { sandboxId } = on;
    const host = `${guest.port}-${sandboxId}.localhost`;
    const token = { "dnah-port-token": await on.tokenOf(guest.port) };
    expect((await get(on.server, host, token)).status).toBe(200);
    expect((await get(on.server, host)).error).toBe("CREDENTIAL_MISSING");
    await on.sandboxes.setPortVisibility({ sandboxId, port: guest.port, public: true });
    expect((await get(on.server, host)).status).toBe(200);
    await on.sandboxes.setPortVisibility({ sandboxId, port: guest.port, public: false });
    expect((await get(on.server, host)).status).toBe(401);
    await on.sandboxes.rotateAccessToken({ sandboxId });
    expect((await get(on.server, host, token)).error).toBe("CREDENTIAL_INVALID");
    expect((await get(on.server, host, { "dnah-port-token": await on.tokenOf(guest.port) })).status).toBe(200);
  });

  test("tells a stranger the same of a sandbox that is private, deleted, or never was; a link's holder is told", async () => {
    await using on = await platform();
    const { sandboxId } = on;
    await on.sandboxes.setPortVisibility({ sandboxId, port: 80, public: true });
    const token = { "dnah-port-token": await on.tokenOf(81) };
    const id = { "x-request-id": "r" };
    const never = await get(on.server, "81-abcdefghijklmnopqrst.localhost", id);
    const look = ({ status, text }: { status: number | undefined; text: string }) => ({ status, text });
    expect(look(await get(on.server, `81-${sandboxId}.localhost`, id))).toEqual(look(never));
    await on.sandboxes.deleteSandbox({ sandboxId });
    for (const port of [80, 81]) {
      expect(look(await get(on.server, `${port}-${sandboxId}.localhost`, id))).toEqual(look(never));
    }
    expect(await get(on.server, `81-${sandboxId}.localhost`, token)).toMatchObject({
      status: 404,
      error: "SANDBOX_NOT_FOUND",
    });
  });

  test("says so where nothing listens, in the host's own words, and where the host does not answer", async () => {
    await using on = await platform();
    const host = `1-${on.sandboxId}.localhost`;
    const token = { "dnah-port-token": await on.tokenOf(1) };
    const closed = await get(on.server, host, token);
    expect([closed.status, closed.error]).toEqual([502, "PORT_CLOSED"]);
    expect(closed.text).toContain("epoch 1, token 1, public undefined: connection refused");
    await on.sandboxes.setPortVisibility({ sandboxId: on.sandboxId, port: 1, public: true });
    expect((await get(on.server, host)).text).toContain("epoch 1, token undefined, public 1: connection refused");
    await on.server.daemon[Symbol.asyncDispose]();
    const silent = await get(on.server, host, token);
    expect([silent.status, silent.error, silent.headers["retry-after"]]).toEqual([503, "HOST_UNAVAILABLE", "2"]);
  });

  test("carries a connection that leaves HTTP", async () => {
    await using on = await platform();
    const echo = http.createServer().on("upgrade", (_, socket: net.Socket) => {
      socket.write("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
      socket.pipe(socket);
    });
    await using guest = await program(echo);
    const headers = { connection: "Upgrade", upgrade: "x", "dnah-port-token": await on.tokenOf(guest.port) };
    const address = { host: "127.0.0.1", port: new URL(on.server.url).port };
    const host = `${guest.port}-${on.sandboxId}.localhost`;
    const request = http.get({ ...address, headers: { host, ...headers } });
    const [, socket] = (await once(request, "upgrade")) as [unknown, net.Socket];
    socket.end("over and back");
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    expect(text).toBe("over and back");
  });
});

test("host names keep the API and ports apart", async () => {
  await using on = await platform();
  const port = await get(on.server, `80-${on.sandboxId}.localhost`, {}, "/healthz");
  expect([port.status, port.error]).toEqual([401, "CREDENTIAL_MISSING"]);
  for (const host of ["localhost", "127.0.0.1", `80-${on.sandboxId}.example.org`, "api.localhost"]) {
    expect((await get(on.server, host, {}, "/healthz")).text).toBe('{"alive":true}\n');
  }
});

describe("a port as bare bytes at the control plane", () => {
  async function connect(on: Awaited<ReturnType<typeof platform>>, port: number, headers: http.OutgoingHttpHeaders) {
    const request = http.get({
      ...{ host: "127.0.0.1", port: new URL(on.server.url).port, path: `/v1/sandboxes/${on.sandboxId}/ports/${port}` },
      headers: { connection: "Upgrade", upgrade: "dnah-tcp", ...headers },
    });
    return Promise.race([
      once(request, "upgrade").then(([, socket, head]) => {
        (socket as net.Socket).unshift(head as Buffer);
        return { socket: socket as net.Socket };
      }),
      once(request, "response").then(async ([response]) => {
        let text = "";
        for await (const chunk of response as http.IncomingMessage) text += String(chunk);
        return { status: (response as http.IncomingMessage).statusCode, text };
      }),
    ]);
  }

  test("is there for an API key and for the access token, each direction with an end of its own", async () => {
    await using on = await platform();
    await using guest = await program(
      net.createServer({ allowHalfOpen: true }, (socket) => {
        socket.write("hi ");
        socket.once("end", () => socket.end("bye")).resume();
      }),
    );
    for (const key of [on.server.adminKey, on.accessToken]) {
      const answer = await connect(on, guest.port, { authorization: `Bearer ${key}` });
      if (!("socket" in answer)) throw new Error(answer.text);
      answer.socket.end("x");
      let text = "";
      for await (const chunk of answer.socket) text += String(chunk);
      expect(text).toBe("hi bye");
    }
  });

  test("is refused, typed, without a credential, by a wrong one, and where nothing listens", async () => {
    await using on = await platform();
    const key = { authorization: `Bearer ${on.server.adminKey}` };
    expect(await connect(on, 1, {})).toMatchObject({
      status: 401,
      text: expect.stringContaining("CREDENTIAL_MISSING"),
    });
    expect(await connect(on, 1, key)).toMatchObject({ status: 502, text: expect.stringContaining("PORT_CLOSED") });
    await on.sandboxes.rotateAccessToken({ sandboxId: on.sandboxId });
    const old = { authorization: `Bearer ${on.accessToken}` };
    expect(await connect(on, 1, old)).toMatchObject({
      status: 401,
      text: expect.stringContaining("CREDENTIAL_INVALID"),
    });
  });
});
