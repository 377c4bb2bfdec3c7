/**
 * Who is connected to the edge. A connection is a stranger's until one of its requests was let in to a sandbox: strangers
 * are few at a time, the oldest goes for the newest, and none stays long. After that it counts for the sandbox.
 */
import type { Socket } from "node:net";
import { problem } from "@daytonah/lib/problem.ts";

export interface VisitorLimits {
  readonly strangers: number;
  /** How long a connection may stay a stranger's. */
  readonly strangerMs: number;
  /** A guest's agent has about as many of its own. */
  readonly perSandbox: number;
}

const defaultLimits: VisitorLimits = { strangers: 512, strangerMs: 15_000, perSandbox: 1_000 };

/** A socket, or what Node's HTTP/2 requests have for one. */
type Peer = Pick<Socket, "remoteAddress" | "remotePort" | "localAddress">;

interface Visitor {
  readonly socket: Socket;
  readonly sandboxes: Set<string>;
  readonly timer: NodeJS.Timeout;
}

export class Visitors {
  readonly #limits: VisitorLimits;
  readonly #visitors = new Map<string, Visitor>();
  /** In the order they came. */
  readonly #strangers = new Map<string, Visitor>();
  readonly #perSandbox = new Map<string, number>();

  constructor(limits: VisitorLimits = defaultLimits) {
    this.#limits = limits;
  }

  /** Call it with each new connection. */
  admit(socket: Socket): void {
    const name = nameOf(socket);
    const timer = setTimeout(() => socket.destroy(), this.#limits.strangerMs);
    const visitor = { socket, timer, sandboxes: new Set<string>() };
    this.#visitors.set(name, visitor);
    this.#strangers.set(name, visitor);
    socket.once("close", () => this.#remove(name, visitor));
    const oldest = this.#strangers.values().next().value;
    if (this.#strangers.size > this.#limits.strangers) oldest?.socket.destroy();
  }

  /** Call it when a request is let in to a sandbox. Throws where the sandbox has too many connections. */
  welcome({ socket }: { readonly socket: Peer }, sandboxId: string): void {
    const name = nameOf(socket);
    const visitor = this.#visitors.get(name);
    if (!visitor || visitor.sandboxes.has(sandboxId)) return; // it has just gone, or is known
    const count = this.#perSandbox.get(sandboxId) ?? 0;
    if (count >= this.#limits.perSandbox) {
      throw problem("GUEST_LIMIT_EXCEEDED", `The sandbox has ${count} connections at its host's edge already.`, {
        metadata: { sandbox_id: sandboxId },
        nextStep: "Close connections, or let calls share one.",
      });
    }
    this.#perSandbox.set(sandboxId, count + 1);
    visitor.sandboxes.add(sandboxId);
    clearTimeout(visitor.timer);
    this.#strangers.delete(name);
  }

  #remove(name: string, visitor: Visitor): void {
    clearTimeout(visitor.timer);
    this.#visitors.delete(name);
    this.#strangers.delete(name);
    for (const sandboxId of visitor.sandboxes) {
      const left = (this.#perSandbox.get(sandboxId) ?? 1) - 1;
      if (left > 0) this.#perSandbox.set(sandboxId, left);
      else this.#perSandbox.delete(sandboxId);
    }
  }
}

/** The same for a connection and for every request on it. */
function nameOf({ remoteAddress, remotePort, localAddress }: Peer): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
