import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { VsockFront } from "./vsock-front.ts";

/** A device that answers CONNECT and echoes, and notes whatever vhost-device-vsock could not bear. */
async function fixture(patienceMs?: readonly number[]) {
  const folder = await mkdtemp(join(tmpdir(), "dnah-front-"));
  const devicePath = join(folder, "device");
  const faults: string[] = [];
  const device = { touchedWhileHeld: 0, connections: 0, held: false, answers: true, clings: false, silentFor: 0 };
  const touch = () => {
    device.touchedWhileHeld += device.held ? 1 : 0;
  };
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    const silent = ++device.connections <= device.silentFor;
    touch();
    let line: string | undefined = "";
    socket.on("data", (chunk) => {
      touch();
      if (line === undefined) {
        socket.write(chunk);
        return;
      }
      line += chunk;
      if (line.indexOf("\n") !== line.length - 1) {
        faults.push(`not one whole line: ${JSON.stringify(line)}`);
      }
      if (device.answers && !silent) {
        line = undefined;
        socket.write("OK 7\n");
      }
    });
    socket.on("end", () => {
      touch();
      if (line !== undefined) {
        faults.push("left before the OK");
      }
      if (!device.clings) {
        socket.end();
      }
    });
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(devicePath, resolve));
  const path = join(folder, "vsock");
  const front = await VsockFront.listen(path, {
    ...{ path: devicePath, uid: process.getuid?.() ?? 0 },
    ...(patienceMs === undefined ? {} : { patienceMs }),
  });
  const breakAll = () => {
    for (const socket of sockets) {
      socket.destroy();
    }
  };
  onTestFinished(async () => {
    front.close();
    server.close();
    breakAll();
    await rm(folder, { recursive: true });
  });
  return { front, path, device, faults, breakAll };
}

function dial(path: string, text: string): { socket: Socket; seen: () => string; closed: Promise<void> } {
  let seen = "";
  const socket = connect({ path, allowHalfOpen: true }, () => socket.write(text));
  socket.on("data", (chunk) => {
    seen += chunk;
  });
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  socket.on("end", () => socket.end());
  onTestFinished(() => void socket.destroy());
  return { socket, seen: () => seen, closed };
}

test("hands on what comes right behind the CONNECT line, after the OK", async () => {
  const { path, faults } = await fixture();
  const { seen } = dial(path, "CONNECT 18047\nhello");
  await expect.poll(seen).toBe("OK 7\nhello");
  expect(faults).toEqual([]);
});

test("the device meets no peer that leaves before its OK, nor one that sends no line", async () => {
  const { path, faults, device } = await fixture();
  for (const text of ["", "CONN", "CONNECT 1\n", "CONNECT 1\nmore", "CONNECT x\n", "y".repeat(100)]) {
    const { socket } = dial(path, text);
    await sleep(5);
    socket.destroy();
  }
  await sleep(50);
  expect(faults).toEqual([]);
  expect(device.connections).toBe(2);
});

test("passes on the end of each direction and of the whole", async () => {
  const { path, breakAll } = await fixture();
  const first = dial(path, "CONNECT 1\nbye");
  await expect.poll(first.seen).toBe("OK 7\nbye");
  first.socket.end();
  await first.closed;
  const second = dial(path, "CONNECT 1\n");
  await expect.poll(second.seen).toBe("OK 7\n");
  breakAll();
  await second.closed;
});

test("while it is held the device is left alone; afterwards nothing is lost", async () => {
  const { front, path, device, faults } = await fixture();
  const open = dial(path, "CONNECT 1\na");
  const leaving = dial(path, "CONNECT 1\nb");
  await expect.poll(() => open.seen() + leaving.seen()).toBe("OK 7\naOK 7\nb");
  front.hold();
  device.held = true;
  open.socket.write("c");
  leaving.socket.destroy();
  const late = dial(path, "CONNECT 1\nd");
  const gone = dial(path, "CONNECT 1\ne");
  await sleep(30);
  gone.socket.destroy();
  await sleep(30);
  expect(device.touchedWhileHeld).toBe(0);
  device.held = false;
  front.release();
  await expect.poll(() => open.seen() + late.seen()).toBe("OK 7\nacOK 7\nd");
  expect(faults).toEqual([]);
});

test("a connection that opens while it is held starts after it", async () => {
  const { front, path, device, faults } = await fixture();
  device.answers = false;
  const { seen } = dial(path, "CONNECT 1\nx");
  await expect.poll(() => device.connections).toBe(1);
  front.hold();
  front.hold();
  await sleep(10);
  front.release();
  front.release();
  expect(seen()).toBe("");
  expect(faults).toEqual([]);
});

test("moves megabytes both ways, and holds them in the middle", async () => {
  const { front, path } = await fixture();
  const size = 8 * 1024 * 1024;
  let received = 0;
  const socket = connect(path, () => {
    socket.write("CONNECT 1\n");
    socket.write(Buffer.alloc(size, 1));
  });
  socket.on("data", (chunk) => {
    received += chunk.length;
  });
  onTestFinished(() => void socket.destroy());
  await expect.poll(() => received, { interval: 1 }).toBeGreaterThan(100_000);
  front.hold();
  await sleep(20);
  const held = received;
  await sleep(50);
  expect(received).toBe(held);
  front.release();
  await expect.poll(() => received, { timeout: 5000 }).toBe(size + "OK 7\n".length);
});

test("close breaks all connections and removes the socket", async () => {
  const { front, path } = await fixture();
  const { seen, closed } = dial(path, "CONNECT 1\n");
  await expect.poll(seen).toBe("OK 7\n");
  front.close();
  await closed;
  const { closed: refused } = dial(path, "CONNECT 1\n");
  await refused;
});

test("dials a silent device again, and hands over the answer that came", async () => {
  const { path, device } = await fixture([50, 50, 10_000]);
  device.silentFor = 2;
  const { seen } = dial(path, "CONNECT 1\nhello");
  await expect.poll(seen).toBe("OK 7\nhello");
  expect(device.connections).toBe(3);
});

test("gives a silent device up after it was patient, and closes", async () => {
  const { path, device } = await fixture([50, 50]);
  device.answers = false;
  const { seen, closed } = dial(path, "CONNECT 1\nhello");
  await closed;
  expect([seen(), device.connections]).toEqual(["", 2]);
});

test("drains connections in order while it is held: the guest sees their end, the client the last bytes", async () => {
  const { front, path, faults } = await fixture();
  const open = [dial(path, "CONNECT 1\na"), dial(path, "CONNECT 1\nb")];
  await expect.poll(() => open.map(({ seen }) => seen())).toEqual(["OK 7\na", "OK 7\nb"]);
  expect(front.connections).toBe(2);
  front.hold();
  const waiting = dial(path, "CONNECT 1\nc");
  await front.drain(5000);
  await Promise.all(open.map(({ closed }) => closed));
  expect(front.connections).toBe(0);
  front.release();
  await expect.poll(waiting.seen).toBe("OK 7\nc");
  expect(faults).toEqual([]);
});

test("a guest that does not let go of its connections is not waited for longer than said", async () => {
  const { front, path, device } = await fixture();
  device.clings = true;
  const { seen, closed } = dial(path, "CONNECT 1\na");
  await expect.poll(seen).toBe("OK 7\na");
  await front.drain(100);
  await closed;
});
