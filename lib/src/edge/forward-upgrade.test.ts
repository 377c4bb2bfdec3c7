import { once } from "node:events";
import http from "node:http";
import type net from "node:net";
import { describe, expect, test } from "vitest";
import { echoHeaders, seenBy } from "./testing/echo-headers.ts";
import { answered, listening, oneEdge } from "./testing/one-edge.ts";

describe("a connection that leaves HTTP", () => {
  const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-key": "abc" };

  test("carries bytes both ways, and each end of its own", async () => {
    await using edge = await oneEdge();
    const program = Promise.withResolvers<net.Socket>();
    const server = http.createServer().on("upgrade", (request, socket: net.Socket, head) => {
      socket.allowHalfOpen = true;
      socket.write(
        `HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Key: ${request.headers["sec-websocket-key"]}\r\n\r\nhi`,
      );
      if (head.length > 0) socket.unshift(head);
      program.resolve(socket);
    });
    await using guest = await listening(server);
    const request = edge.request(guest.port, { headers: upgrade }).end();
    const [response, client, head] = (await once(request, "upgrade")) as [http.IncomingMessage, net.Socket, Buffer];
    expect([response.statusCode, response.headers["x-key"], response.headers.upgrade]).toEqual([
      101,
      "abc",
      "websocket",
    ]);
    client.unshift(head);
    expect(String((await once(client, "data"))[0])).toBe("hi");
    const socket = await program.promise;
    client.write("one");
    expect(String((await once(socket, "data"))[0])).toBe("one");
    client.end("last");
    expect(String((await once(socket, "data"))[0])).toBe("last");
    await once(socket, "end");
    socket.end("still here");
    expect(String((await once(client, "data"))[0])).toBe("still here");
    await once(client, "close");
    await expect.poll(() => edge.connections.open).toBe(0);
  });

  test("breaks on one side when it breaks on the other", async () => {
    await using edge = await oneEdge();
    const program = Promise.withResolvers<net.Socket>();
    const server = http.createServer().on("upgrade", (_, socket: net.Socket) => {
      socket.resume();
      socket.write("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
      program.resolve(socket);
    });
    await using guest = await listening(server);
    const request = edge.request(guest.port, { headers: upgrade }).end();
    const [, client] = (await once(request, "upgrade")) as [http.IncomingMessage, net.Socket];
    client.on("error", () => undefined);
    const broken = once(await program.promise, "error");
    client.resetAndDestroy();
    expect((await broken)[0]).toMatchObject({ code: "ECONNRESET" });
  });

  test("that the program refuses gets the program's answer, however long", async () => {
    await using edge = await oneEdge();
    const text = "x".repeat(3_000_000);
    await using guest = await listening(http.createServer((_, response) => response.writeHead(426).end(text)));
    const answer = await answered(edge.request(guest.port, { headers: upgrade }));
    expect([answer.status, answer.text.length]).toEqual([426, text.length]);
  });

  test("without a token, and to a port that nothing listens on, gets our answer", async () => {
    await using edge = await oneEdge();
    const stranger = await answered(edge.request(1, { headers: { ...upgrade, "dnah-port-token": "" } }));
    expect([stranger.status, stranger.headers["dnah-error"]]).toEqual([401, "CREDENTIAL_INVALID"]);
    expect((await answered(edge.request(1, { headers: upgrade }))).headers["dnah-error"]).toBe("PORT_CLOSED");
  });

  test("to HTTP/2, as curl offers it, stays with HTTP/1.1", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    const headers = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "AAMAAABk" };
    const answer = await answered(edge.request(guest.port, { headers }));
    expect(answer.status).toBe(200);
    expect(seenBy(answer.text).headers).not.toHaveProperty("http2-settings");
  });
});
