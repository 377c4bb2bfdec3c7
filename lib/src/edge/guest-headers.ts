/** Which headers pass between a visitor and a guest's program, and which are the connection's own. */
import type { IncomingHttpHeaders } from "node:http2";
import type { NodeRequest } from "../node-http.ts";
import type { ConnectionFacts } from "./connection-facts.ts";
import { setsOurCookie, tokenHeader } from "./port-token.ts";

/** Name and value in turn, as Node's `rawHeaders`. */
export type RawHeaders = readonly string[];

/** Of one connection only (RFC 9110, 7.6.1). `transfer-encoding` is set anew where the body has no length. */
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

/** Set by us, or not the guest's business. `expect` is answered by Node's server at once. */
const ours = new Set(["host", "cookie", "expect", "te", tokenHeader, "forwarded"]);

/** Only an HTTP/2 client can speak gRPC, and its server in the guest needs HTTP/2 too. */
export function isGrpc(request: NodeRequest): boolean {
  return request.httpVersionMajor === 2 && /^application\/grpc(?:[+;]|$)/.test(request.headers["content-type"] ?? "");
}

/** What the guest gets, in the client's own spelling and order. */
export function headersForGuest(
  request: NodeRequest,
  {
    host,
    cookie,
    facts,
  }: { readonly host: string; readonly cookie: string | undefined; readonly facts: ConnectionFacts },
): string[] {
  const kept: string[] = ["Host", host];
  for (const [name, value] of endToEnd(request.rawHeaders)) {
    const lower = name.toLowerCase();
    if (lower.startsWith(":") || lower.startsWith("x-forwarded-") || ours.has(lower)) continue;
    kept.push(name, value);
  }
  if (cookie !== undefined) kept.push("Cookie", cookie);
  if (request.headers.te?.includes("trailers")) kept.push("TE", "trailers");
  kept.push("X-Forwarded-For", facts.forwardedFor);
  kept.push("X-Forwarded-Proto", facts.proto, "X-Forwarded-Host", facts.forwardedHost);
  return kept;
}

/** What the client gets, with the guest's spelling and order; cookies that would be ours are taken out. */
export function headersForClient(raw: RawHeaders): string[] {
  return endToEnd(raw)
    .filter(([name, value]) => name.toLowerCase() !== "set-cookie" || !setsOurCookie(value))
    .flat();
}

/** HTTP/2's form: names in lower case, one entry each. */
export function groupHeaders(raw: RawHeaders): Record<string, string[]> {
  const grouped: Record<string, string[]> = Object.create(null);
  for (const [name, value] of pairs(raw)) {
    const lower = name.toLowerCase();
    grouped[lower] = [...(grouped[lower] ?? []), value];
  }
  return grouped;
}

/** Headers of an HTTP/2 stream as a raw list, without its own fields. */
export function rawOf(headers: IncomingHttpHeaders): string[] {
  return Object.entries(headers).flatMap(([name, value]) => {
    if (name.startsWith(":") || value === undefined) return [];
    return [value].flat().flatMap((single) => [name, single]);
  });
}

function endToEnd(raw: RawHeaders): [string, string][] {
  const all = pairs(raw);
  const named = new Set(
    all
      .filter(([name]) => name.toLowerCase() === "connection")
      .flatMap(([, value]) =>
        value
          .toLowerCase()
          .split(",")
          .map((word) => word.trim()),
      ),
  );
  named.delete("content-length"); // it frames the body: without it the body would be read as another request
  return all.filter(([name]) => {
    const lower = name.toLowerCase();
    return !hopByHop.has(lower) && !named.has(lower);
  });
}

function pairs(raw: RawHeaders): [string, string][] {
  const list: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) list.push([raw[index] as string, raw[index + 1] as string]);
  return list;
}
