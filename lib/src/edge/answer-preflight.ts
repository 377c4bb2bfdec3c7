/**
 * A browser asks, before a script of another site may send our header with a request, and shows nothing in that preflight that
 * lets it in. So we answer for the port: whoever has a token may send it, as programs may. No cookie comes with such
 * a request, and the guest's own CORS headers decide whether the script may read the answer.
 */
import type http from "node:http";
import { headerOf, type NodeRequest, type NodeResponse } from "../node-http.ts";
import { tokenHeader } from "./port-token.ts";

const maxAgeSeconds = 600;

/** True where it was such a preflight, which is answered now; the guest does not see it. */
export function answerPreflight(request: NodeRequest, response: NodeResponse): boolean {
  const method = headerOf(request, "access-control-request-method");
  const asked = headerOf(request, "access-control-request-headers") ?? "";
  const names = asked.split(",").map((name) => name.trim().toLowerCase());
  if (request.method !== "OPTIONS" || method === undefined || !names.includes(tokenHeader)) return false;
  const headers = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": method,
    "access-control-allow-headers": asked,
    "access-control-max-age": String(maxAgeSeconds),
    vary: "access-control-request-method, access-control-request-headers",
  };
  (response as http.ServerResponse).writeHead(204, headers).end();
  return true;
}
