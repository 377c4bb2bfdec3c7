/** Lets browsers call: they carry their credential in a header, never in a cookie, so any origin may. */
import { cors } from "@connectrpc/connect";
import type { NodeRequest, NodeResponse } from "./node-http.ts";

const allowedHeaders = [
  ...cors.allowedHeaders,
  "authorization",
  "x-api-key",
  "sandbox-id",
  "sandbox-epoch",
  "x-request-id",
  // Of files over plain HTTP.
  ...["content-encoding", "range", "if-range", "if-none-match", "if-modified-since"],
  ...["upload-offset", "upload-complete"],
].join(", ");
const exposedHeaders = [
  ...cors.exposedHeaders,
  "x-request-id",
  "retry-after",
  ...["content-length", "content-range", "accept-ranges", "content-disposition", "etag", "last-modified"],
  ...["upload-offset", "upload-complete"],
].join(", ");
const allowedMethods = [...cors.allowedMethods, "HEAD", "PUT", "PATCH"].join(", ");

/** True where it was a preflight, which is answered now. */
export function answerCors(request: NodeRequest, response: NodeResponse): boolean {
  if (request.headers.origin === undefined) return false;
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("access-control-expose-headers", exposedHeaders);
  if (request.method !== "OPTIONS" || request.headers["access-control-request-method"] === undefined) return false;
  response.setHeader("access-control-allow-methods", allowedMethods);
  response.setHeader("access-control-allow-headers", allowedHeaders);
  response.setHeader("access-control-max-age", "7200");
  response.statusCode = 204;
  response.end();
  return true;
}
