import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { problem } from "../problem.ts";
import { signingKeyOf } from "../sandbox-signature.ts";
import { answered, listening, oneEdge, sandboxId } from "./testing/one-edge.ts";

const echoHeaders = () =>
  listening(
    http.createServer((request, response) => {
      response.end(JSON.stringify({ url: request.url, headers: request.headers }));
    }),
  );

interface Seen {
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
}

const seenBy = (text: string) => JSON.parse(text) as Seen;

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
    let sent = 0;
    const piece = Buffer.alloc(1024 * 1024);
    await using guest = await listening(
      http.createServer((_, response) => {
        const more = () => {
          while (sent < 512) {
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
    expect(sent).toBeLessThan(100);
    let total = 0;
    for await (const chunk of response) total += (chunk as Buffer).length;
    expect(total).toBe(512 * piece.length);
  });

  test("that the program answers before it has read all gets that answer", async () => {
    await using edge = await oneEdge();
    await using guest = await listening(
      net.createServer((socket) => {
        socket.once("data", () => {
          socket.write("HTTP/1.1 413 Too Much\r\ncontent-length: 2\r\n\r\nno");
          setTimeout(() => socket.resetAndDestroy(), 100);
        });
      }),
    );
    const request = edge.request(guest.port, { method: "POST" }).on("error", () => undefined);
    const sending = setInterval(() => request.write(Buffer.alloc(100_000)), 5);
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    let text = "";
    for await (const chunk of response) text += String(chunk);
    expect([response.statusCode, text]).toEqual([413, "no"]);
    await sleep(150);
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

describe("a visitor", () => {
  const html = { accept: "text/html,*/*" };

  test("with a link gets a cookie and the address without its token; the guest sees neither", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    const token = edge.tokenFor(guest.port);
    const noToken = { ...html, "dnah-port-token": "" };
    const first = await answered(
      edge.request(guest.port, { path: `/a?b=1&dnah_token=${token}`, headers: { ...noToken, cookie: "x=1" } }),
    );
    expect(first.status).toBe(302);
    expect(first.headers).toMatchObject({
      location: "/a?b=1",
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
    });
    const cookie = /^(dnah-port=[^;]+); HttpOnly; SameSite=Lax; Path=\/; Max-Age=(\d+)$/.exec(
      first.headers["set-cookie"]?.[0] ?? "",
    );
    expect(Number(cookie?.[2])).toBeGreaterThan(50);
    const second = await answered(
      edge.request(guest.port, { path: "/a?b=1", headers: { ...noToken, cookie: `x=1; ${cookie?.[1]}` } }),
    );
    const seen = seenBy(second.text);
    expect([seen.url, seen.headers.cookie]).toEqual(["/a?b=1", "x=1"]);
    expect(seen.headers).not.toHaveProperty("dnah-port-token");
  });

  test("behind TLS gets the cookie that only this host can set, and the other one is worth nothing", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    const token = edge.tokenFor(guest.port);
    const tls = { ...html, "x-forwarded-proto": "https", "dnah-port-token": "" };
    const first = await answered(edge.request(guest.port, { path: `/?dnah_token=${token}`, headers: tls }));
    expect(first.headers["set-cookie"]?.[0]).toMatch(/^__Host-dnah-port=[^;]+; Secure; HttpOnly; /);
    const with_ = async (cookie: string) =>
      (await answered(edge.request(guest.port, { headers: { ...tls, cookie } }))).status;
    expect(await with_(`__Host-dnah-port=${token}`)).toBe(200);
    expect(await with_(`dnah-port=${token}`)).toBe(401);
  });

  test("is never sent to another host by a link", async () => {
    await using edge = await oneEdge();
    const path = (start: string) => `${start}evil.example/?dnah_token=${edge.tokenFor(80)}`;
    for (const start of ["//", "/\\", "///"]) {
      const answer = await answered(edge.request(80, { path: path(start), headers: html }));
      const target = new URL(answer.headers.location as string, "http://80-sbx1.localhost/");
      expect([answer.status, target.host]).toEqual([302, "80-sbx1.localhost"]);
    }
  });

  test("that is a program uses a link as it is", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    const path = `/x?dnah_token=${edge.tokenFor(guest.port)}&y`;
    const answer = await answered(edge.request(guest.port, { path, headers: { "dnah-port-token": "" } }));
    expect([answer.status, seenBy(answer.text).url]).toEqual([200, "/x?y"]);
  });

  test("comes to a public port without anything", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    const headers = { "dnah-port-token": "" };
    expect((await answered(edge.request(guest.port, { headers }))).status).toBe(401);
    edge.access.publicPorts = [guest.port];
    expect((await answered(edge.request(guest.port, { headers }))).status).toBe(200);
    expect((await answered(edge.request(guest.port + 1, { headers }))).status).toBe(401);
  });

  test("has no way in any more when the sandbox's key has changed, with link or cookie", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    const token = edge.tokenFor(guest.port);
    edge.access.signingKey = signingKeyOf("dnah_sbx_two");
    const byLink = await answered(edge.request(guest.port, { headers: { "dnah-port-token": token } }));
    const byCookie = await answered(
      edge.request(guest.port, { headers: { "dnah-port-token": "", cookie: `dnah-port=${token}` } }),
    );
    expect([byLink.status, byCookie.status]).toEqual([401, 401]);
  });

  test("is told when his link has expired", async () => {
    await using edge = await oneEdge();
    const headers = { "dnah-port-token": edge.tokenFor(80, -1000) };
    const answer = await answered(edge.request(80, { headers }));
    expect([answer.status, answer.headers["dnah-error"]]).toEqual([403, "LINK_EXPIRED"]);
  });

  test("learns nothing of a sandbox without a token: private, gone and never there look alike", async () => {
    await using edge = await oneEdge();
    const ask = async (id: string, token: string) => {
      const headers = { host: `80-${id}.localhost`, "dnah-port-token": token, "x-request-id": "r" };
      const { status, headers: answer, text } = await answered(edge.request(80, { headers }));
      return { status, text, error: answer["dnah-error"] };
    };
    edge.access.unavailable = problem("SANDBOX_NOT_RUNNING", "The sandbox is paused.");
    for (const token of ["", "1.x", edge.tokenFor(81)])
      expect(await ask(sandboxId, token)).toEqual(await ask("none", token));
  });

  test("of another sandbox's page can't act with the cookie, and one of its own sandbox can", async () => {
    await using edge = await oneEdge();
    await using guest = await echoHeaders();
    const from = async (provenance: http.OutgoingHttpHeaders) => {
      const headers = { "dnah-port-token": "", cookie: `dnah-port=${edge.tokenFor(guest.port)}`, ...provenance };
      return (await answered(edge.request(guest.port, { headers }))).status;
    };
    const image = { "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" };
    expect(await from({ origin: "http://3000-sbx1.localhost:1" })).toBe(200);
    expect(await from({ origin: "http://3000-sbx2.localhost:1" })).toBe(401);
    expect(await from({ ...image, referer: "http://3000-sbx1.localhost:1/" })).toBe(200);
    expect(await from({ ...image, referer: "http://3000-sbx2.localhost:1/" })).toBe(401);
    expect(await from({ ...image, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" })).toBe(200);
  });

  test.each([
    ["text/html", "text/html; charset=utf-8", "<h1>This sandbox is paused</h1>"],
    ["*/*", "application/json", '"reason":"ERROR_REASON_SANDBOX_NOT_RUNNING"'],
  ])("that accepts %s gets an answer it can read", async (accept, type, text) => {
    await using edge = await oneEdge();
    edge.access.unavailable = problem("SANDBOX_NOT_RUNNING", "The sandbox is <paused>.", {
      metadata: { state: "paused" },
    });
    const answer = await answered(edge.request(80, { headers: { accept } }));
    expect([answer.status, answer.headers["content-type"], answer.headers["cache-control"]]).toEqual([
      503,
      type,
      "no-store",
    ]);
    expect(answer.text).toContain(text);
    expect(answer.text.includes("<paused>")).toBe(type === "application/json");
  });
});

function disposable(agent: http.Agent): http.Agent & Disposable {
  return Object.assign(agent, { [Symbol.dispose]: () => agent.destroy() });
}
