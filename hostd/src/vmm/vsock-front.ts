import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { connectOwned } from "../host/connect-owned.ts";
import { readLine } from "./read-line.ts";

/** A guest that runs and has the port open or shut answers at once. */
const DEFAULT_PATIENCE_MS = [30_000];

/** The socket of the device's process, in a folder where that process may put what it likes. */
export interface DeviceSocket {
  readonly path: string;
  readonly uid: number;
  /** How long each of its answers is waited for, before it is dialled again or, after the last, given up. */
  readonly patienceMs?: readonly number[];
}

interface Link {
  readonly client: Socket;
  readonly device: Socket;
}

/**
 * The socket that takes connections to a guest's vsock, in front of the VMM's own: nobody but us follows a path into
 * the folder of the VMM's user. Cloud Hypervisor's says nothing at all until the guest's driver is up. Version 0.3 of
 * `vhost-device-vsock`
 *
 * - drops what a peer sends right behind its CONNECT line,
 * - spins for ever on a peer that leaves before its line was read,
 * - is dead for ever after any connection, byte or close that comes while QEMU has its rings stopped: before the guest's
 *   driver is up, and while the VM is paused.
 *
 * Here a peer may do all of that: the device only meets peers that wait for its OK, and none while it is held.
 */
export class VsockFront {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #links = new Set<Link>();
  /** What waits until the device may be touched again; undefined while it may. */
  #waiting: (() => void)[] | undefined;

  private constructor(target: DeviceSocket) {
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#greet(client, target));
  }

  static async listen(path: string, target: DeviceSocket): Promise<VsockFront> {
    const front = new VsockFront(target);
    await rm(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      front.#server.once("error", reject);
      front.#server.listen({ path, backlog: 1024 }, resolve);
    });
    return front;
  }

  /** From now on the device's socket is left alone; connections are kept, and new ones wait. Idempotent. */
  hold(): void {
    this.#waiting ??= [];
    for (const { client, device } of this.#links) {
      client.unpipe(device).pause();
      device.unpipe(client).pause();
    }
  }

  /** Ends a hold. Idempotent. */
  release(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) {
      return;
    }
    this.#waiting = undefined;
    for (const link of this.#links) {
      join(link);
    }
    for (const work of waiting) {
      work();
    }
  }

  /**
   * Ends all connections in order, also while held: the guest sees the end of what it reads, and closes. Resolves when
   * it did, or after `timeoutMs`. The guest must run meanwhile.
   */
  async drain(timeoutMs: number): Promise<void> {
    const open = [...this.#links].map(({ client, device }) => {
      client.unpipe(device).pause();
      device.unpipe(client).pipe(client);
      device.end();
      return new Promise<void>((resolve) => device.once("close", () => resolve()));
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([Promise.all(open), late]);
    clearTimeout(timer);
    for (const { device } of this.#links) {
      device.destroy();
    }
  }

  /** How many connections there are to the guest. */
  get connections(): number {
    return this.#links.size;
  }

  /** Takes no more connections, and breaks those there are. The socket file goes too. */
  close(): void {
    this.#waiting = undefined;
    this.#server.close();
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  #greet(client: Socket, target: DeviceSocket): void {
    this.#track(client);
    readLine(client, (line, rest) => {
      if (/^CONNECT \d{1,10}\r?$/.test(line)) {
        this.#whenReleased(() => this.#dial(client, target, line, rest));
      } else {
        client.destroy();
      }
    });
  }

  #dial(client: Socket, target: DeviceSocket, line: string, rest: Buffer, attempt = 0): void {
    if (client.destroyed) {
      return;
    }
    const device = connectDevice(target);
    if (device === undefined) {
      client.destroy();
      return;
    }
    this.#track(device);
    const patience = target.patienceMs ?? DEFAULT_PATIENCE_MS;
    const end = () => this.#whenReleased(() => device.destroy());
    // What the guest sent last is still to be read by the client.
    const closeClient = () => client.end(() => client.destroy());
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      if (attempt + 1 < patience.length) {
        device.off("close", closeClient);
        this.#whenReleased(() => this.#dial(client, target, line, rest, attempt + 1));
      }
      end();
    }, patience[attempt]).unref();
    device.on("close", () => clearTimeout(timer)).on("close", closeClient);
    device.write(`${line}\n`);
    readLine(device, (answer, first) => {
      clearTimeout(timer);
      if (client.destroyed || late) {
        end();
        return;
      }
      const link = { client, device };
      this.#links.add(link);
      device.on("close", () => this.#links.delete(link));
      client.on("close", end);
      client.write(Buffer.concat([Buffer.from(`${answer}\n`), first]));
      this.#whenReleased(() => {
        if (rest.length > 0) {
          device.write(rest);
        }
        join(link);
      });
    });
  }

  #whenReleased(work: () => void): void {
    if (this.#waiting === undefined) {
      work();
    } else {
      this.#waiting.push(work);
    }
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    // The other side is told by the close that follows.
    socket.on("error", () => {});
  }
}

/** Undefined where the device is not there, or what is there is not its own. */
function connectDevice({ path, uid }: DeviceSocket): Socket | undefined {
  try {
    return connectOwned(path, uid, { allowHalfOpen: true });
  } catch {
    return undefined;
  }
}

/** Pipes both ways, once. */
function join({ client, device }: Link): void {
  client.unpipe(device);
  device.unpipe(client);
  client.pipe(device);
  device.pipe(client);
}
