/** Ports of a real sandbox, by both ways: the control plane's router, and straight at the host's edge. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import type net from "node:net";
import { fileURLToPath } from "node:url";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Api, connectApi, inSandbox } from "./testing/api.ts";

let api: Api;
let sandboxId: string;
let accessToken: string;
const stopping = new AbortController();
let running: Promise<void>;

beforeAll(async () => {
  api = connectApi();
  const created = await api.sandboxes.createSandbox({});
  sandboxId = created.sandbox?.id as string;
  accessToken = created.accessToken;
  const ready = Promise.withResolvers<void>();
  running = startServers(ready.resolve);
  await Promise.race([ready.promise, running.then(() => Promise.reject(new Error("the guest's servers ended")))]);
});

afterAll(async () => {
  stopping.abort();
  await running.catch(() => undefined);
  if (sandboxId) await api.sandboxes.deleteSandbox({ sandboxId });
});

async function startServers(onReady: () => void): Promise<void> {
  const data = readFileSync(fileURLToPath(new URL("testing/guest-server.py", import.meta.url)));
  await api.files.writeFile({ path: "/tmp/server.py", data }, inSandbox(sandboxId));
  const command = { case: "argv" as const, value: { args: ["python3", "/tmp/server.py"] } };
  for await (const { event } of api.processes.exec({ command }, inSandbox(sandboxId, stopping.signal))) {
    if (event.case === "output" && String(Buffer.from(event.value.data)).includes("ready")) onReady();
  }
}

interface Place {
  /** Of the listener, on this machine. */
  readonly address: { readonly host: string; readonly port: string };
  /** Host name of the port, which no DNS here knows. */
  readonly host: string;
  readonly path: string;
  readonly token: string;
}

type Way = "control plane" | "host's edge";

async function placeOf(way: Way, port: number, ttlMs = 60_000): Promise<Place> {
  const { url, directUrl, token } = await api.sandboxes.createPortUrl({ sandboxId, port, ttl: durationFromMs(ttlMs) });
  const link = new URL(way === "control plane" ? url : directUrl);
  return { address: { host: "127.0.0.1", port: link.port }, host: link.host, path: link.pathname + link.search, token };
}

async function responseTo(request: http.ClientRequest): Promise<http.IncomingMessage> {
  return ((await once(request, "response")) as [http.IncomingMessage])[0];
}

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function get({ address, host }: Place, path: string, headers: http.OutgoingHttpHeaders, agent?: http.Agent) {
  const response = await responseTo(
    http.get({ ...address, path, agent: agent ?? false, headers: { host, ...headers } }),
  );
  return { status: response.statusCode, headers: response.headers, text: await textOf(response) };
}

const byToken = ({ token }: Place) => ({ "dnah-port-token": token });

describe.each<Way>(["control plane", "host's edge"])("by the %s", (way) => {
  test.each([
    [8000, "127.0.0.1"],
    [8001, "::1"],
  ])("port %i leads to a server on %s, and its connections are kept", async (port) => {
    const place = await placeOf(way, port);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const texts: string[] = [];
    for (let n = 0; n < 3; n += 1) texts.push((await get(place, "/", byToken(place), agent)).text);
    agent.destroy();
    const first = Number(texts[0]?.split(" ")[0]);
    expect(texts).toEqual([0, 1, 2].map((more) => `${first + more} ${place.host} None`));
  });

  test("a browser's link becomes a cookie that the guest does not see", async () => {
    const place = await placeOf(way, 8000);
    const browser = { accept: "text/html,*/*" };
    const first = await get(place, place.path, browser);
    expect([first.status, first.headers.location, first.headers["referrer-policy"]]).toEqual([302, "/", "no-referrer"]);
    const cookie = first.headers["set-cookie"]?.[0]?.split(";")[0];
    const second = await get(place, "/", { ...browser, cookie: `mine=1; ${cookie}` });
    expect(second.text).toMatch(/ mine=1$/);
  });

  test("chunks, trailers and a body of 8 MiB pass both ways", async () => {
    const place = await placeOf(way, 8000);
    const body = randomBytes(8 * 1024 * 1024);
    const headers = { host: place.host, ...byToken(place) };
    const request = http.request({ ...place.address, path: "/echo", method: "POST", agent: false, headers });
    request.write(body.subarray(0, 1_000_000));
    request.end(body.subarray(1_000_000));
    const response = await responseTo(request);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(body)).toBe(true);
    expect(response.trailers["x-bytes"]).toBe(String(body.length));
  });

  test("events come as they are sent", async () => {
    const place = await placeOf(way, 8000);
    const headers = { host: place.host, ...byToken(place) };
    const response = await responseTo(http.get({ ...place.address, path: "/events", agent: false, headers }));
    const times: number[] = [];
    let text = "";
    for await (const chunk of response) {
      times.push(performance.now());
      text += String(chunk);
    }
    expect(text).toBe("data: 0\n\ndata: 1\n\ndata: 2\n\n");
    // 300 ms lie between two events; held back they would come together.
    expect((times.at(-1) as number) - (times[0] as number)).toBeGreaterThan(300);
  });

  test("a WebSocket echoes", async () => {
    const place = await placeOf(way, 8000);
    const handshake = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
    const key = { "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
    const headers = { host: place.host, ...byToken(place), ...handshake, ...key };
    const request = http.get({ ...place.address, path: "/socket", headers });
    const [response, socket] = (await once(request, "upgrade")) as [http.IncomingMessage, net.Socket];
    expect(response.headers["sec-websocket-accept"]).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    const mask = Buffer.from([1, 2, 3, 4]);
    const text = Buffer.from("hello");
    const masked = text.map((byte, at) => byte ^ (mask[at % 4] as number));
    socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length]), mask, masked]));
    const [echoed] = (await once(socket, "data")) as [Buffer];
    expect(echoed).toEqual(Buffer.concat([Buffer.from([0x81, text.length]), text]));
    socket.end();
    await once(socket, "close");
  });

  test("a gRPC server gets HTTP/2, and its trailers come back", async () => {
    const place = await placeOf(way, 8002);
    const session = http2.connect(`http://127.0.0.1:${place.address.port}`);
    try {
      const call = async (message: string) => {
        const stream = session.request({
          ...{ ":method": "POST", ":path": "/a.B/C", ":authority": place.host, te: "trailers" },
          ...{ "content-type": "application/grpc", ...byToken(place) },
        });
        const trailers = once(stream, "trailers") as Promise<[http2.IncomingHttpHeaders]>;
        stream.end(message);
        const text = await textOf(stream);
        const [{ "grpc-status": status, "x-guest": guest }] = await trailers;
        return { text, status, guest };
      };
      const answers = await Promise.all(["one", "two"].map(call));
      expect(answers).toEqual(["one", "two"].map((text) => ({ text, status: "0", guest: "yes" })));
    } finally {
      session.destroy();
    }
  });

  test("what is wrong is told: no token, an expired link, nothing that listens", async () => {
    const place = await placeOf(way, 8000, 1_000);
    const closed = await placeOf(way, 9999);
    expect((await get(place, "/", {})).headers["dnah-error"]).toBe("CREDENTIAL_MISSING");
    const page = await get(closed, "/", { ...byToken(closed), accept: "text/html" });
    expect([page.status, page.headers["dnah-error"]]).toEqual([502, "PORT_CLOSED"]);
    expect(page.text).toContain("<h1>Nothing answers on this port</h1>");
    // A link's time is in whole seconds: it is at most two away.
    await expect
      .poll(async () => (await get(place, "/", byToken(place))).headers["dnah-error"], { timeout: 5_000 })
      .toBe("LINK_EXPIRED");
  });

  test("a port is public when asked, and no longer when not", async () => {
    const place = await placeOf(way, 8000);
    await api.sandboxes.setPortVisibility({ sandboxId, port: 8000, public: true });
    expect((await get(place, "/", {})).status).toBe(200);
    await api.sandboxes.setPortVisibility({ sandboxId, port: 8000, public: false });
    expect((await get(place, "/", {})).status).toBe(401);
  });

  test("a port is there as bare bytes, by the access token", async () => {
    const { address } = await placeOf(way, 8000);
    const headers = { authorization: `Bearer ${accessToken}`, connection: "Upgrade", upgrade: "dnah-tcp" };
    const request = http.get({ ...address, path: `/v1/sandboxes/${sandboxId}/ports/8000`, headers });
    const [, socket] = (await once(request, "upgrade")) as [unknown, net.Socket];
    socket.end("GET / HTTP/1.1\r\nHost: me\r\n\r\n");
    expect(await textOf(socket)).toBe("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1 me None");
  });
});

test("a new access token ends links and cookies on both ways", async () => {
  const places = await Promise.all((["control plane", "host's edge"] as const).map((way) => placeOf(way, 8000)));
  await api.sandboxes.rotateAccessToken({ sandboxId });
  for (const place of places) {
    expect((await get(place, "/", byToken(place))).headers["dnah-error"]).toBe("CREDENTIAL_INVALID");
  }
});
