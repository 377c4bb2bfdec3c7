/**
 * Connections of which nothing was let in yet. They are few at a time, the oldest goes for the newest, so that nobody's idle
 * connections keep others out; and over HTTP/2 they may send no more at once than the protocol's smallest window.
 */
import type { Socket } from "node:net";
import { http2SessionWindowBytes } from "./http2-settings.ts";
import type { NodeRequest } from "./node-http.ts";

export interface StrangerLimits {
  readonly strangers: number;
  /** How long a connection may stay a stranger's; as long as it likes where absent. */
  readonly strangerMs?: number;
}

/** A socket, or what Node's HTTP/2 requests have for one. */
export type Peer = Pick<Socket, "remoteAddress" | "remotePort" | "localAddress">;

export class Strangers {
  readonly #limits: StrangerLimits;
  /** In the order they came. */
  readonly #sockets = new Map<string, { readonly socket: Socket; readonly timer: NodeJS.Timeout | undefined }>();

  constructor(limits: StrangerLimits) {
    this.#limits = limits;
  }

  /** Call it with each new connection. */
  admit(socket: Socket): void {
    const { strangers, strangerMs } = this.#limits;
    const name = nameOf(socket);
    const timer = strangerMs === undefined ? undefined : setTimeout(() => socket.destroy(), strangerMs);
    this.#sockets.set(name, { socket, timer });
    socket.once("close", () => this.#remove(name));
    const oldest = this.#sockets.values().next().value;
    if (this.#sockets.size > strangers) oldest?.socket.destroy();
  }

  /** Call it when a request is let in. */
  welcome(request: NodeRequest): void {
    if (!this.forget(request.socket)) return;
    if ("stream" in request) request.stream.session?.setLocalWindowSize(http2SessionWindowBytes);
  }

  /** Call it where a connection as such is let in, by a certificate say. False where it was none of a stranger's. */
  forget(peer: Peer): boolean {
    return this.#remove(nameOf(peer));
  }

  #remove(name: string): boolean {
    clearTimeout(this.#sockets.get(name)?.timer);
    return this.#sockets.delete(name);
  }
}

/** The same for a connection and for every request on it. */
export function nameOf({ remoteAddress, remotePort, localAddress }: Peer): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
