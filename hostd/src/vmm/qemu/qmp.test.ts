import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { QmpClient, QmpClosedError, QmpError, type QmpEvent } from "./qmp.ts";

const uid = process.getuid?.() ?? 0;
const greeting = '{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": []}}\r\n';
const options = () => ({ signal: AbortSignal.timeout(10_000) });

type Command = { readonly execute: string; readonly arguments: unknown; readonly id: number };

/** A peer that greets, grants the capabilities, and gives every later command to `answer`. */
async function fakeQemu(answer: (command: Command, socket: Socket) => void, greet = greeting): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "dnah-qmp-"));
  const path = join(folder, "qmp");
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write(greet);
    let seen = "";
    socket.on("data", (chunk) => {
      seen += chunk;
      for (let end = seen.indexOf("\n"); end >= 0; end = seen.indexOf("\n")) {
        const command: Command = JSON.parse(seen.slice(0, end));
        seen = seen.slice(end + 1);
        if (command.execute === "qmp_capabilities") {
          socket.write(`{"return": {}, "id": ${command.id}}\r\n`);
        } else {
          answer(command, socket);
        }
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(async () => {
    server.close();
    await rm(folder, { recursive: true });
  });
  return path;
}

async function connectTo(path: string, onEvent?: (event: QmpEvent) => void): Promise<QmpClient> {
  const client = await QmpClient.connect(path, { ...options(), uid, ...(onEvent === undefined ? {} : { onEvent }) });
  onTestFinished(() => client.close());
  return client;
}

test("answers find their commands in whatever order and pieces they come", async () => {
  const waiting: Command[] = [];
  const path = await fakeQemu((command, socket) => {
    waiting.push(command);
    if (waiting.length === 2) {
      const text = waiting
        .reverse()
        .map(({ id, execute }) => `{"return": "${execute}", "id": ${id}}\r\n`)
        .join("");
      for (const byte of text) {
        socket.write(byte);
      }
    }
  });
  const client = await connectTo(path);
  const both = [client.execute("one", {}, options()), client.execute("two", {}, options())];
  expect(await Promise.all(both)).toEqual(["one", "two"]);
});

test("a refusal is a QmpError with QEMU's class and words", async () => {
  const path = await fakeQemu(({ id }, socket) => {
    socket.write(`{"error": {"class": "DeviceNotFound", "desc": "no such device"}, "id": ${id}}\r\n`);
  });
  const client = await connectTo(path);
  const error = await client.execute("device_del", { id: "x" }, options()).catch((one: unknown) => one);
  expect(error).toBeInstanceOf(QmpError);
  expect(error).toMatchObject({ errorClass: "DeviceNotFound", message: "qmp device_del: no such device" });
});

test("events reach their listener, and a wait for one that the command itself causes", async () => {
  const path = await fakeQemu(({ id }, socket) => {
    const event = '{"event": "DEVICE_DELETED", "data": {"device": "vsock0"}, "timestamp": {}}\r\n';
    socket.write(`{"event": "RESUME", "data": {}}\r\n${event}{"return": {}, "id": ${id}}\r\n`);
  });
  const events: string[] = [];
  const client = await connectTo(path, ({ event }) => events.push(event));
  const trigger = () => client.execute("device_del", {}, options());
  const found = await client.eventAfter(trigger, ({ event }) => event === "DEVICE_DELETED", options());
  expect(found.data).toEqual({ device: "vsock0" });
  expect(events).toEqual(["RESUME", "DEVICE_DELETED"]);
});

test("a wait for an event ends with the connection, and with its time", async () => {
  const path = await fakeQemu(({ id, execute }, socket) => {
    socket.write(`{"return": {}, "id": ${id}}\r\n`);
    if (execute === "quit") {
      socket.end();
    }
  });
  const client = await connectTo(path);
  const never = () => false;
  const short = { ...options(), timeoutMs: 20 };
  await expect(client.eventAfter(async () => {}, never, short)).rejects.toThrow(/20 ms/);
  const quit = () => client.execute("quit", {}, options());
  await expect(client.eventAfter(quit, never, options())).rejects.toThrow(QmpClosedError);
});

test("silence ends in a time-out, an abort in its reason; a late answer harms nobody", async () => {
  let late: (() => void) | undefined;
  const path = await fakeQemu(({ id, execute }, socket) => {
    if (execute === "slow") {
      late = () => socket.write(`{"return": "late", "id": ${id}}\r\n`);
    } else {
      late?.();
      socket.write(`{"return": "next", "id": ${id}}\r\n`);
    }
  });
  const client = await connectTo(path);
  await expect(client.execute("slow", {}, { ...options(), timeoutMs: 20 })).rejects.toThrow(/20 ms/);
  const abort = new AbortController();
  const reason = new Error("gone");
  setTimeout(() => abort.abort(reason), 10);
  await expect(client.execute("slow", {}, { signal: abort.signal })).rejects.toBe(reason);
  expect(await client.execute("next", {}, options())).toBe("next");
});

test("the connection's end rejects what waits, and settles closed", async () => {
  const path = await fakeQemu((_, socket) => socket.destroy());
  const client = await connectTo(path);
  await expect(client.execute("quit", {}, options())).rejects.toThrow(QmpClosedError);
  await client.closed;
  await expect(client.execute("stop", {}, options())).rejects.toThrow(QmpClosedError);
});

test.each([
  ["no JSON", "\u0000\u0001garbage\n"],
  ["no object", "[1, 2]\n"],
  ["a number", "7\n"],
  ["an endless line", "x".repeat(5 * 1024 * 1024)],
])("%s ends the connection", async (_, garbage) => {
  const path = await fakeQemu((__, socket) => void socket.write(garbage));
  const client = await connectTo(path);
  await expect(client.execute("stop", {}, options())).rejects.toThrow(QmpClosedError);
  await client.closed;
});

test.each([
  ["an answer nobody asked for", '{"return": {}, "id": 999}\r\n'],
  ["an answer without id", '{"return": {}}\r\n'],
  ["an event without data", '{"event": "STOP"}\r\n'],
  ["an empty line", "\r\n"],
])("%s is passed over", async (_, oddity) => {
  const path = await fakeQemu(({ id }, socket) => void socket.write(`${oddity}{"return": 1, "id": ${id}}\r\n`));
  const client = await connectTo(path);
  expect(await client.execute("stop", {}, options())).toBe(1);
});

test("a peer that never greets is given up", async () => {
  const path = await fakeQemu(() => {}, "");
  await expect(QmpClient.connect(path, { ...options(), uid, timeoutMs: 20 })).rejects.toThrow(/greeting/);
});

test("where nobody listens the connect says so, to be tried again", async () => {
  await expect(QmpClient.connect("/nonexistent/qmp", { ...options(), uid })).rejects.toMatchObject({ code: "ENOENT" });
});

/** Seeded, so that a failure can be repeated. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test("mutated answers never leave a command waiting", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = randomOf(seed);
    const path = await fakeQemu(({ id }, socket) => {
      const bytes = Buffer.from(`{"event": "STOP", "data": {"a": [1]}}\r\n{"return": {"x": 1}, "id": ${id}}\r\n`);
      for (let n = 0; n < 3; n++) {
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      }
      socket.end(bytes);
    });
    const client = await QmpClient.connect(path, { ...options(), uid });
    const outcome = await client.execute("stop", {}, options()).then(
      () => "answered",
      (error: unknown) => (error instanceof QmpError || error instanceof QmpClosedError ? "refused" : error),
    );
    expect(["answered", "refused"], `seed ${seed}`).toContain(outcome);
    client.close();
  }
});
