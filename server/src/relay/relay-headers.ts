/** Which headers pass the relay, and which it sets. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import { requestIdHeader } from "@daytonah/lib/request-id.ts";
import { sandboxIdHeader, type Target } from "./find-target.ts";

/** The host refuses a token that was replaced since we looked, and ends such calls. */
const tokenGenerationHeader = "sandbox-token-generation";
/** Of what visits a public port. */
const publicPortHeader = "sandbox-public-port";

/** Of one connection only (RFC 9110, 7.6.1), the client's credentials, and what we set ourselves. */
const dropped = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authorization",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "expect",
  "host",
  "authorization",
  "x-api-key",
  "cookie",
  "origin",
  "referer",
  "sandbox-epoch",
  tokenGenerationHeader,
  publicPortHeader,
  sandboxIdHeader,
  requestIdHeader,
]);

export interface RelayedCall {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly target: Target;
  readonly bearer: string;
  readonly requestId: string;
}

export function upstreamHeaders({
  method,
  path,
  headers,
  target,
  bearer,
  requestId,
}: RelayedCall): OutgoingHttpHeaders {
  const relayed: OutgoingHttpHeaders = {
    ":method": method,
    ":path": path,
    ":scheme": "https",
    ":authority": target.hostId,
  };
  for (const [name, value] of Object.entries(headers)) {
    // HTTP/2 allows `te` with this value alone; gRPC asks for it.
    if (name.startsWith(":") || dropped.has(name) || (name === "te" && value !== "trailers")) continue;
    relayed[name] = value;
  }
  relayed.authorization = `Bearer ${bearer}`;
  relayed[sandboxIdHeader] = target.sandboxId;
  relayed["sandbox-epoch"] = target.epoch;
  if (target.tokenGeneration !== undefined) relayed[tokenGenerationHeader] = target.tokenGeneration;
  relayed[requestIdHeader] = requestId;
  return relayed;
}

export function clientHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !name.startsWith(":") && name !== requestIdHeader),
  );
}
