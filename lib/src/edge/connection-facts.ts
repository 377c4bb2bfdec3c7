/** What a request's connection tells of its client, and what a proxy in front of us tells. */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { headerOf, type NodeRequest } from "../node-http.ts";

export interface ConnectionFacts {
  /** The client, and proxies before us, as in X-Forwarded-For. */
  readonly forwardedFor: string;
  readonly proto: "http" | "https";
  readonly forwardedHost: string;
}

/** Proxies on this machine are believed; a stranger can write what he likes. */
export function connectionFactsOf(request: NodeRequest, host: string): ConnectionFacts {
  const socket = request.socket as Socket & Partial<Pick<TLSSocket, "encrypted">>;
  const address = (socket.remoteAddress ?? "unknown").replace(/^::ffff:/, "");
  const told = isLoopback(address) ? (name: string) => headerOf(request, name) : () => undefined;
  const before = told("x-forwarded-for");
  const proto = told("x-forwarded-proto") ?? (socket.encrypted ? "https" : "http");
  return {
    forwardedFor: before ? `${before}, ${address}` : address,
    proto: proto === "https" ? "https" : "http",
    forwardedHost: told("x-forwarded-host") ?? host,
  };
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}
