import type { Duplex } from "node:stream";
import { forwardPort } from "../guest/forward-port.ts";
import { type CallContext, type CallDeps, meaningOf, sandboxCall } from "./sandbox-call.ts";

/**
 * Connects to a port of the VM that the call's headers name; throws the Problem that its client gets. The connection ends
 * with the context's signal, with the VM, and with the access token that the call came by.
 */
export async function dialPort(deps: CallDeps, context: CallContext, port: number): Promise<Duplex> {
  const { sandboxId, agent, signal, requestId, explain } = sandboxCall(deps, context);
  try {
    return await forwardPort(agent, port, { signal, requestId });
  } catch (error) {
    throw await meaningOf(sandboxId, explain, error);
  }
}
