/** What a call of the control plane's own services is counted as. */
import type { CallKind } from "../auth/call-limit.ts";
import { needsNoCredential, scopeOfRpc } from "./scopes.ts";

/** `rpc` is `<service>/<method>`. */
export function callKindOf(rpc: string): CallKind {
  if (rpc === "daytonah.v1.EventService/WatchEvents") return "streams";
  const scope = scopeOfRpc(rpc);
  return scope === "admin" || scope === "keys:write" || needsNoCredential(rpc) ? "admin" : "calls";
}
