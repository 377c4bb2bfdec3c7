import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { expect, test } from "vitest";
import { listenDual } from "./dual-http-server.ts";
import type { NodeHandler } from "./node-http.ts";

const listen = (handler: NodeHandler, helloMs = 10_000) => listenDual({ host: "127.0.0.1", port: 0, handler, helloMs });
const answer: NodeHandler = (_, response) => void response.end("ok");

test.each(["", "PRI * HT"])("a socket that says no more than %j is closed", async (hello) => {
  await using server = await listen(answer, 50);
  const socket = net.connect(server.address.port, "127.0.0.1");
  if (hello) socket.write(hello);
  socket.resume();
  await once(socket, "close");
});

test("close ends idle connections of both protocols at once", async () => {
  const server = await listen(answer);
  const { port } = server.address;
  const agent = new http.Agent({ keepAlive: true });
  const [response] = (await once(http.get({ port, host: "127.0.0.1", agent }), "response")) as [http.IncomingMessage];
  response.resume();
  await once(response, "end");
  const session = http2.connect(`http://127.0.0.1:${port}`);
  await once(session.request().resume(), "end");
  const began = performance.now();
  await server.close(30_000);
  expect(performance.now() - began).toBeLessThan(5_000);
  agent.destroy();
});

test("close lets a call over HTTP/2 end", async () => {
  const begun = Promise.withResolvers<() => void>();
  const server = await listen((_, response) => begun.resolve(() => void response.end("late")));
  const session = http2.connect(`http://127.0.0.1:${server.address.port}`);
  const stream = session.request().setEncoding("utf8");
  const finish = await begun.promise;
  const closed = server.close(30_000);
  finish();
  expect(await stream.toArray()).toEqual(["late"]);
  await closed;
});
