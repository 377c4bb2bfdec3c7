/** Requests on their way to a program, and its answers to them. */
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { echoHeaders, seenBy } from "./testing/echo-headers.ts";
import { answered, listening, oneEdge } from "./testing/one-edge.ts";

describe("a request", () => {
  test("reaches the program with the client's host name, and with who the client is", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    const headers = { "x-a": "1", forwarded: "for=x", te: "trailers, deflate", connection: "close, x-b", "x-b": "2" };
    const answer = await answered(edge.request(guest.port, { path: "/p?q=%20", headers }));
    const seen = seenBy(answer.text);
    expect(seen.url).toBe("/p?q=%20");
    expect(seen.headers).toEqual({
      ...{ host: edge.hostOf(guest.port), "x-a": "1", te: "trailers", connection: "keep-alive" },
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": edge.hostOf(guest.port),
    });
  });

  test("keeps what a proxy on this machine says of its client", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    const headers = { "x-forwarded-for": "10.1.1.1", "x-forwarded-proto": "https", "x-forwarded-host": "a.example" };
    const { headers: seen } = seenBy((await answered(edge.request(guest.port, { headers }))).text);
    expect(seen["x-forwarded-for"]).toBe("10.1.1.1, 127.0.0.1");
    expect([seen["x-forwarded-proto"], seen["x-forwarded-host"]]).toEqual(["https", "a.example"]);
  });

  test("with a body is passed on as it comes, with chunks and trailers both ways", async () => {
    await using edge = await oneEdge();
    await using guest = await listening(
      http.createServer((request, response) => {
        response.writeHead(201, { trailer: "x-end" });
        request.pipe(response, { end: false });
        request.once("end", () => {
          response.addTrailers({ "x-end": `${request.headers["transfer-encoding"]} ${request.trailers["x-sum"]}` });
          response.end();
        });
      }),
    );
    const request = edge.request(guest.port, { method: "POST", headers: { trailer: "x-sum" } });
    request.write("one ");
    const [response] = (await Promise.all([once(request, "response"), sleep(0)]))[0] as [http.IncomingMessage];
    const [first] = (await once(response, "data")) as [Buffer];
    expect(first.toString()).toBe("one ");
    request.addTrailers({ "x-sum": "7" });
    request.end("two");
    const rest: Buffer[] = [];
    for await (const chunk of response) rest.push(chunk as Buffer);
    expect(Buffer.concat(rest).toString()).toBe("two");
    expect([response.statusCode, response.trailers["x-end"]]).toEqual([201, "chunked 7"]);
  });

  test("of 64 MiB each way arrives whole", async () => {
    await using edge = await oneEdge();
    await using guest = await listening(http.createServer((request, response) => request.pipe(response)));
    const body = Buffer.alloc(64 * 1024 * 1024, "0123456789");
    const request = edge.request(guest.port, { method: "PUT", headers: { "content-length": String(body.length) } });
    expect((await answered(request, body)).text.length).toBe(body.length);
  });

  test("shares a connection to the program with the one before, on both sides", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    using agent = disposable(new http.Agent({ keepAlive: true, maxSockets: 1 }));
    for (let n = 0; n < 5; n += 1) {
      const request = edge.request(guest.port, { agent });
      expect((await answered(request)).status).toBe(200);
      expect(request.reusedSocket).toBe(n > 0);
    }
    expect(edge.connections.made).toBe(1);
  });

  test("of a stranger to a public port shares no connection with one that came by a link", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    await answered(edge.request(guest.port));
    edge.access.publicPorts = [guest.port];
    for (const made of [2, 2]) {
      await answered(edge.request(guest.port));
      expect(edge.connections.made).toBe(made);
    }
  });

  test("is repeated where the program ended a kept connection under it", async () => {
    await using edge = await oneEdge();
    let served = 0;
    await using guest = await listening(
      net.createServer((socket) =>
        socket.on("data", () => {
          served += 1;
          if (served === 2) socket.resetAndDestroy();
          else socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx");
        }),
      ),
    );
    expect((await answered(edge.request(guest.port))).text).toBe("x");
    expect((await answered(edge.request(guest.port))).text).toBe("x");
    expect([served, edge.connections.made]).toEqual([3, 2]);
  });

  test("gets events as the program sends them", async () => {
    await using edge = await oneEdge();
    const program = Promise.withResolvers<http.ServerResponse>();
    await using guest = await listening(
      http.createServer((_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
        program.resolve(response);
      }),
    );
    const request = edge.request(guest.port).end();
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    for (const event of ["data: 1\n\n", "data: 2\n\n"]) {
      (await program.promise).write(event);
      expect(String((await once(response, "data"))[0])).toBe(event);
    }
    request.destroy();
    await once(await program.promise, "close");
    await expect.poll(() => edge.connections.open).toBe(0);
  });

  test("of a client that leaves before the answer ends the program's request", async () => {
    await using edge = await oneEdge();
    const seen = Promise.withResolvers<http.IncomingMessage>();
    await using guest = await listening(http.createServer((request) => seen.resolve(request)));
    const request = edge.request(guest.port).on("error", () => undefined);
    request.end();
    const program = await seen.promise;
    request.destroy();
    await once(program.socket, "close");
  });

  test("that is answered slowly holds the program back", async () => {
    await using edge = await oneEdge();
    const count = 128;
    let sent = 0;
    const piece = Buffer.alloc(1024 * 1024);
    await using guest = await listening(
      http.createServer((_, response) => {
        const more = () => {
          while (sent < count) {
            sent += 1;
            if (!response.write(piece)) return void response.once("drain", more);
          }
          response.end();
        };
        more();
      }),
    );
    const request = edge.request(guest.port).end();
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    await sleep(300);
    expect(sent).toBeLessThan(count / 2);
    let total = 0;
    for await (const chunk of response) total += (chunk as Buffer).length;
    expect(total).toBe(count * piece.length);
  });

  test("that the program answers before it has read all gets that answer", async () => {
    await using edge = await oneEdge();
    const program = Promise.withResolvers<{ socket: net.Socket; closed: Promise<unknown> }>();
    await using guest = await listening(
      net.createServer((socket) => {
        // The edge may have ended it before we do.
        const closed = once(socket, "close").catch(() => undefined);
        socket.once("data", () => {
          socket.write("HTTP/1.1 413 Too Much\r\ncontent-length: 2\r\n\r\nno");
          program.resolve({ socket, closed });
        });
      }),
    );
    const request = edge.request(guest.port, { method: "POST" }).on("error", () => undefined);
    const sending = setInterval(() => request.write(Buffer.alloc(100_000)), 5);
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    let text = "";
    for await (const chunk of response) text += String(chunk);
    expect([response.statusCode, text]).toEqual([413, "no"]);
    const { socket, closed } = await program.promise;
    socket.resetAndDestroy();
    await closed;
    clearInterval(sending);
    request.destroy();
  });

  test("whose answer breaks is broken off, not ended", async () => {
    await using edge = await oneEdge();
    await using guest = await listening(
      net.createServer((socket) => {
        socket.once("data", () => {
          socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
          setTimeout(() => socket.destroy(), 20);
        });
      }),
    );
    await expect(answered(edge.request(guest.port))).rejects.toThrow("aborted");
  });
});

function disposable(agent: http.Agent): http.Agent & Disposable {
  return Object.assign(agent, { [Symbol.dispose]: () => agent.destroy() });
}
