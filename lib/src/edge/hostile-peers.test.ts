/** Programs and clients that say what they must not: the process that carries them lives, and takes nothing for what it is not. */
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { expect, test } from "vitest";
import { answered, listening, type OneEdge, oneEdge } from "./testing/one-edge.ts";
import { answeringHeaders } from "./testing/raw-http2.ts";

/** Answers each connection with these bytes once a request's head is there. */
const answering = (bytes: string) =>
  listening(
    net.createServer((socket) => void socket.on("error", () => undefined).once("data", () => socket.end(bytes))),
  );

test("trailers that belong to one connection don't reach a client of HTTP/2", async () => {
  await using edge = await oneEdge();
  const body = "2\r\nok\r\n0\r\nConnection: x\r\nTE: gzip\r\nX-End: yes\r\n\r\n";
  await using guest = await answering(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-end\r\n\r\n${body}`);
  const session = http2.connect(`http://127.0.0.1:${edge.port}`);
  const authority = edge.hostOf(guest.port);
  const stream = session.request({ ":authority": authority, "dnah-port-token": edge.tokenFor(guest.port) });
  const trailers = once(stream, "trailers");
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  const [last] = (await trailers) as [http2.IncomingHttpHeaders];
  session.destroy();
  expect([text, last["x-end"], last.connection, last.te]).toEqual(["ok", "yes", undefined, undefined]);
});

test("a program that leaves HTTP unasked is a failure of the program", async () => {
  await using edge = await oneEdge();
  await using guest = await answering(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nraw",
  );
  const answer = await answered(edge.request(guest.port));
  expect(answer.status).toBe(502);
});

test("a status that there is not leaves nothing of the program's in our answer", async () => {
  await using edge = await oneEdge();
  await using guest = await answering("HTTP/1.1 999 Odd\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n");
  const session = http2.connect(`http://127.0.0.1:${edge.port}`);
  const authority = edge.hostOf(guest.port);
  const stream = session.request({ ":authority": authority, "dnah-port-token": edge.tokenFor(guest.port) });
  const [head] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  session.destroy();
  expect([head[":status"], head["dnah-error"], head["content-encoding"]]).toEqual([502, "PORT_CLOSED", undefined]);
});

test("a Connection header that names content-length does not unframe the body", async () => {
  await using edge = await oneEdge();
  const seen: string[] = [];
  await using guest = await listening(
    http.createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += String(chunk);
      seen.push(`${request.url} ${body}`);
      response.end();
    }),
  );
  const body = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
  const headers = { connection: "content-length", "content-length": String(body.length) };
  await answered(edge.request(guest.port, { method: "GET", path: "/", headers }), Buffer.from(body));
  await answered(edge.request(guest.port, { path: "/next" }));
  expect(seen).toEqual([`/ ${body}`, "/next "]);
});

const grpc = { ":status": "200", "content-type": "application/grpc" };

test.each([
  ["a status that there is not", [{ ":status": "999" }]],
  ["an informational status as its last word", [{ ":status": "100" }]],
  ["a header of one connection", [{ ...grpc, te: "gzip" }, { "grpc-status": "0" }]],
])("%s of a gRPC server is a failure of the program", async (_, blocks) => {
  await using edge = await oneEdge();
  await using guest = await listening(answeringHeaders(...blocks));
  const { head } = await grpcCall(edge, guest.port);
  expect([head?.["grpc-status"], head?.["grpc-message"]]).toEqual(["9", expect.stringContaining("gave%20no%20answer")]);
});

test.each([
  ["a header of one connection", [grpc, { te: "gzip" }]],
  ["a status", [grpc, { ":status": "200" }]],
  ["a length that is not the body's", [grpc, { "content-length": "5" }]],
])("%s in a gRPC server's trailers breaks the call off", async (_, blocks) => {
  await using edge = await oneEdge();
  await using guest = await listening(answeringHeaders(...blocks));
  const { head, code } = await grpcCall(edge, guest.port);
  expect([head?.[":status"], code]).toEqual([200, http2.constants.NGHTTP2_INTERNAL_ERROR]);
});

test.each(["Content-Length: 4", "Transfer-Encoding: chunked"])(
  "a request to leave HTTP that has a body (%s) stays in HTTP: what follows it is no other protocol's",
  async (framing) => {
    await using edge = await oneEdge();
    await using guest = await listening(http.createServer((request, response) => response.end(`${request.method}`)));
    const head = [
      "POST / HTTP/1.1",
      `Host: ${edge.hostOf(guest.port)}`,
      `dnah-port-token: ${edge.tokenFor(guest.port)}`,
      ...["Connection: Upgrade, close", "Upgrade: websocket", framing, "", ""],
    ];
    const socket = net.connect(edge.port, "127.0.0.1");
    socket.write(`${head.join("\r\n")}${framing.endsWith("4") ? "body" : "0\r\n\r\n"}`);
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    expect(text).toMatch(/^HTTP\/1.1 200 OK\r\n.*POST/s);
  },
);

/** Waits for the end of one call, however it ends. */
async function grpcCall(edge: OneEdge, port: number) {
  const session = http2.connect(`http://127.0.0.1:${edge.port}`);
  const stream = session.request({
    ...{ ":authority": edge.hostOf(port), ":method": "POST", ":path": "/a.B/C", "content-type": "application/grpc" },
    "dnah-port-token": edge.tokenFor(port),
  });
  stream.on("error", () => undefined).end();
  let head: http2.IncomingHttpHeaders | undefined;
  stream.once("response", (headers) => {
    head = headers;
  });
  await new Promise((resolve) => stream.resume().once("close", resolve));
  session.destroy();
  return { head, code: stream.rstCode };
}
