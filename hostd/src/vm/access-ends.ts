/** What was let in to a VM ends when that would no longer be let in: a call by its access token, a visit to a public port. */
import { problem } from "@daytonah/lib/problem.ts";
import type { VmAccess } from "./vm-record.ts";

export class AccessEnds {
  #token = new AbortController();
  /** Of ports that somebody was let in to. */
  readonly #ports = new Map<number, AbortController>();

  /** Aborts, with a Problem, when a new access token replaces the present one. */
  ofToken(): AbortSignal {
    return this.#token.signal;
  }

  /** Aborts, with a Problem, when this port, which is public, is closed. */
  ofPublicPort(port: number): AbortSignal {
    const controller = this.#ports.get(port) ?? new AbortController();
    this.#ports.set(port, controller);
    return controller.signal;
  }

  changed(before: VmAccess | undefined, after: VmAccess): void {
    if (before && before.tokenGeneration !== after.tokenGeneration) {
      this.#token.abort(problem("CREDENTIAL_INVALID", "The access token of this call was replaced by a new one."));
      this.#token = new AbortController();
    }
    for (const [port, controller] of this.#ports) {
      if (after.publicPorts.includes(port)) continue;
      controller.abort(portNotPublic(port));
      this.#ports.delete(port);
    }
  }
}

export function portNotPublic(port: number) {
  return problem("CREDENTIAL_MISSING", `The port ${port} is not public.`, { nextStep: "Ask for a link to this port." });
}
