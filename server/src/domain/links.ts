/** The addresses of sandboxes' ports and files, as clients reach them. */
import { isIPv4, isIPv6 } from "node:net";
import { tokenParameter } from "@daytonah/lib/edge/port-token.ts";

export interface Origins {
  /** Of the API, such as "https://api.example.org". */
  readonly publicUrl: string;
  /** Under which each port of a sandbox has a name. Scheme and port are those of publicUrl: the same listener answers. */
  readonly domain: string;
}

export function portUrlOf({ publicUrl, domain }: Origins, sandboxId: string, port: number, token: string): string {
  return portUrl(new URL(publicUrl), domain, sandboxId, port, token);
}

/** Straight to the host of this edge; empty where it has none, or none that names could be put under. */
export function directPortUrlOf(edgeUrl: string, sandboxId: string, port: number, token: string): string {
  if (edgeUrl === "") return "";
  const edge = new URL(edgeUrl);
  const domain = directDomainOf(edge.hostname);
  return domain === undefined ? "" : portUrl(edge, domain, sandboxId, port, token);
}

/** Empty where there is no origin. */
export function fileUrlOf(origin: string, sandboxId: string, query: URLSearchParams): string {
  return origin === "" ? "" : `${origin}/v1/sandboxes/${sandboxId}/files?${query}`;
}

function portUrl(origin: URL, domain: string, sandboxId: string, port: number, token: string): string {
  const at = origin.port === "" ? "" : `:${origin.port}`;
  return `${origin.protocol}//${port}-${sandboxId}.${domain}${at}/?${new URLSearchParams({ [tokenParameter]: token })}`;
}

/** Names below it lead to this host: *.localhost is loopback everywhere, and nip.io finds the IPv4 address in the name. */
function directDomainOf(hostname: string): string | undefined {
  if (hostname === "localhost" || hostname === "[::1]" || /^127\./.test(hostname)) return "localhost";
  if (isIPv4(hostname)) return `${hostname}.nip.io`;
  return isIPv6(hostname.replace(/^\[|\]$/g, "")) ? undefined : hostname;
}
