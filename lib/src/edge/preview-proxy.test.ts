/** What a sandbox's programs may answer, and how many requests they have at once. */
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { describe, expect, test } from "vitest";
import { echoHeaders } from "./testing/echo-headers.ts";
import { answered, listening, oneEdge } from "./testing/one-edge.ts";

test("a sandbox has 500 requests under way, no more, and others when those have ended", async () => {
  await using edge = await oneEdge();
  let waiting = 0;
  await using guest = await listening(
    http.createServer(() => {
      waiting += 1;
    }),
  );
  const requests = Array.from({ length: 500 }, () =>
    edge
      .request(guest.port)
      .on("error", () => undefined)
      .end(),
  );
  await expect.poll(() => waiting, { timeout: 10_000 }).toBe(500);
  const refused = await answered(edge.request(guest.port));
  expect([refused.status, refused.headers["dnah-error"]]).toEqual([503, "GUEST_LIMIT_EXCEEDED"]);
  for (const request of requests) request.destroy();
  await using echo = await echoHeaders();
  await expect.poll(async () => (await answered(edge.request(echo.port))).status).toBe(200);
  await expect.poll(() => edge.connections.open).toBeLessThan(5);
});

test("requests, bytes, failures by reason, and what is under way are counted", async () => {
  await using edge = await oneEdge();
  await using guest = await listening(http.createServer((request, response) => request.pipe(response)));
  await answered(edge.request(guest.port, { method: "POST" }), "12345");
  await answered(edge.request(guest.port, { headers: { "dnah-port-token": "" } }));
  await answered(edge.request(1));
  await expect.poll(() => edge.metrics.getSingleMetricAsString("dnah_preview_open")).toContain("dnah_preview_open 0");
  const text = await edge.metrics.metrics();
  for (const line of [
    "requests_total 2",
    'failures_total{reason="CREDENTIAL_INVALID"} 1',
    'failures_total{reason="PORT_CLOSED"} 1',
    'bytes_total{direction="to_guest"} 5',
    'bytes_total{direction="to_client"} 5',
  ]) {
    expect(text).toContain(`dnah_preview_${line}`);
  }
});

test("a browser's preflight for our header is let through for whoever has a token, and reaches no guest", async () => {
  await using edge = await oneEdge();
  const seen: string[] = [];
  await using guest = await listening(
    http.createServer((request, response) => {
      seen.push(request.method ?? "");
      response.end();
    }),
  );
  const preflight = (asked: string) => ({
    method: "OPTIONS",
    headers: {
      "dnah-port-token": "",
      origin: "https://app.example",
      "access-control-request-method": "PUT",
      "access-control-request-headers": asked,
    },
  });
  const allowed = await answered(edge.request(guest.port, preflight("content-type, Dnah-Port-Token")));
  expect(allowed).toMatchObject({
    status: 204,
    headers: {
      "access-control-allow-origin": "*",
      "access-control-allow-methods": "PUT",
      "access-control-allow-headers": "content-type, Dnah-Port-Token",
    },
  });
  expect(allowed.headers["access-control-allow-credentials"]).toBeUndefined();
  const other = await answered(edge.request(guest.port, preflight("content-type")));
  expect([other.status, seen]).toEqual([401, []]);
});

describe("an answer", () => {
  test("keeps its spelling, order and repeated lines, but not the connection's own, nor our cookie", async () => {
    await using edge = await oneEdge();
    const lines = ["HTTP/1.1 299 Fine", "X-Case: 1", "Set-Cookie: a=1", "Keep-Alive: timeout=9", "Connection: X-Own"];
    lines.push("X-Own: 1", "Set-Cookie: dnah-port=evil", "Set-Cookie: b=2", "Content-Length: 2", "", "ok");
    await using guest = await listening(
      net.createServer((socket) => socket.once("data", () => socket.write(lines.join("\r\n")))),
    );
    const request = edge.request(guest.port).end();
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    expect([response.statusCode, response.statusMessage]).toEqual([299, "Fine"]);
    expect(response.rawHeaders.slice(0, 8)).toEqual([
      "X-Case",
      "1",
      "Set-Cookie",
      "a=1",
      "Set-Cookie",
      "b=2",
      "Content-Length",
      "2",
    ]);
    expect(response.headers["x-own"]).toBeUndefined();
    response.resume();
  });

  test.each([
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ])("to %s with status %i has no body, and its headers stay", async (method, status) => {
    await using edge = await oneEdge();
    await using guest = await listening(
      http.createServer((_, response) => response.writeHead(status, { etag: '"1"' }).end()),
    );
    const answer = await answered(edge.request(guest.port, { method }));
    expect([answer.status, answer.headers.etag, answer.text]).toEqual([status, '"1"', ""]);
  });
});

describe("a program that does not speak HTTP", () => {
  test.each([
    ["closes at once", (socket: net.Socket) => void socket.end()],
    ["resets", (socket: net.Socket) => void socket.once("data", () => socket.resetAndDestroy())],
    ["speaks something else", (socket: net.Socket) => void socket.write("SSH-2.0-x\r\n")],
    [
      "sends headers without end",
      (socket: net.Socket) => void socket.write(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}`),
    ],
  ])("and %s gives a plain answer", async (_, serve) => {
    await using edge = await oneEdge();
    await using guest = await listening(net.createServer(serve));
    const answer = await answered(edge.request(guest.port));
    expect([answer.status, answer.headers["dnah-error"]]).toEqual([502, "PORT_CLOSED"]);
  });
});
