import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { connectOwned } from "../../host/connect-owned.ts";
import { readLine } from "../read-line.ts";

/** A guest that runs and has the port open or shut answers at once. */
const ANSWER_TIMEOUT_MS = 30_000;

/** The socket of the device's process, in a folder where that process may put what it likes. */
export interface DeviceSocket {
  readonly path: string;
  readonly uid: number;
}

interface Link {
  readonly client: Socket;
  readonly device: Socket;
}

/**
 * The socket that takes connections to a guest's vsock, in front of `vhost-device-vsock`'s own. Version 0.3 of that
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

  #dial(client: Socket, target: DeviceSocket, line: string, rest: Buffer): void {
    if (client.destroyed) {
      return;
    }
    const device = connectDevice(target);
    if (device === undefined) {
      client.destroy();
      return;
    }
    this.#track(device);
    const end = () => this.#whenReleased(() => device.destroy());
    const timer = setTimeout(end, ANSWER_TIMEOUT_MS).unref();
    device.on("close", () => {
      clearTimeout(timer);
      // What the guest sent last is still to be read by the client.
      client.end(() => client.destroy());
    });
    device.write(`${line}\n`);
    readLine(device, (answer, first) => {
      clearTimeout(timer);
      if (client.destroyed) {
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
