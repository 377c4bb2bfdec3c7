/**
 * Who is connected to the edge. A connection is a stranger's until one of its requests was let in to a sandbox, and none
 * stays a stranger's for long. After that it counts for the sandbox.
 */
import type { Socket } from "node:net";
import type { NodeRequest } from "@daytonah/lib/node-http.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { nameOf, type StrangerLimits, Strangers } from "@daytonah/lib/strangers.ts";

export interface VisitorLimits extends StrangerLimits {
  /** A guest's agent has about as many of its own. */
  readonly perSandbox: number;
}

const defaultLimits: VisitorLimits = { strangers: 512, strangerMs: 15_000, perSandbox: 1_000 };

export class Visitors {
  readonly #limits: VisitorLimits;
  readonly #strangers: Strangers;
  /** Of each connection, the sandboxes that it was let in to. */
  readonly #sandboxes = new Map<string, Set<string>>();
  readonly #perSandbox = new Map<string, number>();

  constructor(limits: VisitorLimits = defaultLimits) {
    this.#limits = limits;
    this.#strangers = new Strangers(limits);
  }

  /** Call it with each new connection. */
  admit(socket: Socket): void {
    const name = nameOf(socket);
    this.#sandboxes.set(name, new Set());
    socket.once("close", () => this.#remove(name));
    this.#strangers.admit(socket);
  }

  /** Call it when a request is let in to a sandbox. Throws where the sandbox has too many connections. */
  welcome(request: NodeRequest, sandboxId: string): void {
    const sandboxes = this.#sandboxes.get(nameOf(request.socket));
    if (!sandboxes || sandboxes.has(sandboxId)) return; // it has just gone, or is known
    const count = this.#perSandbox.get(sandboxId) ?? 0;
    if (count >= this.#limits.perSandbox) {
      throw problem("GUEST_LIMIT_EXCEEDED", `The sandbox has ${count} connections at its host's edge already.`, {
        metadata: { sandbox_id: sandboxId },
        nextStep: "Close connections, or let calls share one.",
      });
    }
    this.#perSandbox.set(sandboxId, count + 1);
    sandboxes.add(sandboxId);
    this.#strangers.welcome(request);
  }

  #remove(name: string): void {
    for (const sandboxId of this.#sandboxes.get(name) ?? []) {
      const left = (this.#perSandbox.get(sandboxId) ?? 1) - 1;
      if (left > 0) this.#perSandbox.set(sandboxId, left);
      else this.#perSandbox.delete(sandboxId);
    }
    this.#sandboxes.delete(name);
  }
}
