import { once } from "node:events";
import type http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { expect, test } from "vitest";
import { listenDual } from "./dual-http-server.ts";
import { http2SessionWindowBytes } from "./http2-settings.ts";
import { Strangers } from "./strangers.ts";

/** Lets in who asks for /in. */
async function serve(strangers: Strangers) {
  return listenDual({
    ...{ host: "127.0.0.1", port: 0 },
    onConnection: (socket) => strangers.admit(socket),
    handler: (request, response) => {
      if (request.url === "/in") strangers.welcome(request);
      (response as http.ServerResponse).end();
    },
  });
}

async function connect(port: number, path: string) {
  const socket = net.connect(port, "127.0.0.1");
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(socket, "data");
  return socket;
}

test("the oldest stranger goes for the newest, and who was let in stays", async () => {
  await using server = await serve(new Strangers({ strangers: 2 }));
  const { port } = server.address;
  const guest = await connect(port, "/in");
  const [first, second] = [await connect(port, "/"), await connect(port, "/")];
  const gone = once(first.resume(), "close");
  const third = await connect(port, "/");
  await gone;
  expect([guest.destroyed, second.destroyed, third.destroyed]).toEqual([false, false, false]);
  for (const socket of [guest, second, third]) socket.destroy();
});

test("a stranger over HTTP/2 may send 64 KiB at once until he is let in", async () => {
  await using server = await serve(new Strangers({ strangers: 2 }));
  const session = http2.connect(`http://127.0.0.1:${server.address.port}`);
  const ask = async (path: string) => {
    const stream = session.request({ ":path": path }).resume();
    await once(stream, "close");
    return session.state.remoteWindowSize;
  };
  expect(await ask("/")).toBe(65_535);
  expect(await ask("/in")).toBe(http2SessionWindowBytes);
  session.destroy();
});
