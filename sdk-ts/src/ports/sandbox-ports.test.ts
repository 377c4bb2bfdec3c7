import net from "node:net";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { ConflictError } from "../index.ts";
import { ways } from "../testing/client-of.ts";
import { failureOf } from "../testing/failure-of.ts";
import { withSandbox } from "../testing/with-sandbox.ts";
import { forwardTcp, openTcp } from "../transport/browser-tcp.ts";

/** Answers, once its client has ended, with what came: only possible where each direction ends on its own. */
function answerAtEnd(socket: Duplex): void {
  buffer(socket).then(
    (said) => socket.end(`got ${said}`),
    () => socket.destroy(), // its client has gone
  );
}

describe.each(ways.filter((way) => !way.fetch))("$name", (way) => {
  test("a connection to a port carries bytes both ways, and each direction ends on its own", async () => {
    await using fake = await withSandbox(way);
    fake.state.servers.set(8080, answerAtEnd);
    const connection = await fake.sandbox.ports.connect(8080);
    connection.end("hello");
    expect(String(await buffer(connection))).toBe("got hello");
    const { accessToken: credential } = fake.sandbox;
    expect(fake.platform.calls.at(-1)).toEqual({ method: "tunnel", credential, isDirect: way.direct ?? false });
  });

  test("a forward listens here and leads there, many connections at once, until it is closed", async () => {
    await using fake = await withSandbox(way);
    fake.state.servers.set(8080, answerAtEnd);
    const forward = await fake.sandbox.ports.forward(8080);
    const ask = (text: string) => {
      const socket = net.connect({ port: forward.localPort, host: forward.localHost, allowHalfOpen: true });
      socket.end(text);
      return buffer(socket);
    };
    const answers = await Promise.all(["a", "b", "c"].map(ask));
    expect(answers.map(String)).toEqual(["got a", "got b", "got c"]);
    const open = net.connect(forward.localPort, forward.localHost);
    await new Promise((resolve) => open.once("connect", resolve));
    const closed = new Promise((resolve) => open.once("close", resolve));
    open.on("error", () => undefined);
    await forward.close();
    await closed;
    await expect(ask("d")).rejects.toThrow("ECONNREFUSED");
  });
});

test("a port that is closed is a ConflictError, and a forward tells it and ends the connection", async () => {
  await using fake = await withSandbox();
  expect(await failureOf(fake.sandbox.ports.connect(9))).toBeInstanceOf(ConflictError);
  const errors: unknown[] = [];
  await using forward = await fake.sandbox.ports.forward(9, { onError: (error) => errors.push(error) });
  expect(await buffer(net.connect(forward.localPort, forward.localHost))).toHaveLength(0);
  expect(errors).toMatchObject([{ reason: "PORT_CLOSED" }]);
});

test("aborting destroys a connection and closes a forward", async () => {
  await using fake = await withSandbox();
  fake.state.servers.set(8080, () => undefined);
  const controller = new AbortController();
  const connection = await fake.sandbox.ports.connect(8080, { signal: controller.signal });
  const forward = await fake.sandbox.ports.forward(8080, { signal: controller.signal });
  const broken = new Promise((resolve) => connection.once("error", resolve));
  controller.abort(new Error("enough"));
  expect(await broken).toMatchObject({ message: "enough" });
  const again = net.connect(forward.localPort, forward.localHost);
  await expect(buffer(again)).rejects.toThrow("ECONNREFUSED");
  expect(await failureOf(fake.sandbox.ports.connect(8080, { signal: controller.signal }))).toMatchObject({
    message: "enough",
  });
});

test("a page is told that it has no TCP", async () => {
  const target = { url: "", headers: {}, signal: new AbortController().signal };
  expect(await failureOf(openTcp(target))).toMatchObject({ name: "UnsupportedError" });
  expect(await failureOf(forwardTcp(() => openTcp(target), {}))).toMatchObject({ name: "UnsupportedError" });
});

test("ports are listed, and told again at each change and after a broken connection", async () => {
  await using fake = await withSandbox();
  const { servers, serverChanges } = fake.state;
  const listen = (port: number) => {
    servers.set(port, () => undefined);
    serverChanges.add(null);
  };
  listen(8080);
  expect(await fake.sandbox.ports.list()).toEqual([
    { port: 8080, address: "127.0.0.1", pid: 8180, command: "python3" },
  ]);
  fake.platform.faults.next("WatchPorts", { t: "cutAfter", events: 2 });
  const seen: number[][] = [];
  for await (const ports of fake.sandbox.ports.watch()) {
    seen.push(ports.map(({ port }) => port));
    if (seen.length === 1) listen(22);
    if (ports.length === 2) break;
  }
  expect(seen).toEqual([[8080], [22, 8080]]);
});

test("a port has an address with a token, and can be made public", async () => {
  await using fake = await withSandbox();
  const { ports } = fake.sandbox;
  const { url, token, directUrl } = await ports.url(8080, { ttlMs: 5_000 });
  expect(url).toContain(token);
  expect(directUrl).toBeUndefined();
  expect(await ports.setPublic(8080, true)).toMatchObject({ publicPorts: [8080] });
  expect(await ports.setPublic(8080, false)).toMatchObject({ publicPorts: [] });
});
