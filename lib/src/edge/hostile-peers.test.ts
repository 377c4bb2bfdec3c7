/** Programs and clients that say what they must not: the process that carries them lives, and takes nothing for what it is not. */
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { expect, test } from "vitest";
import { answered, listening, oneEdge } from "./testing/one-edge.ts";

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
