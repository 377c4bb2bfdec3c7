/** What a visitor of a port gets where the guest can't answer: a page for people, JSON or gRPC's trailers for programs. */
import type http from "node:http";
import type { Http2ServerResponse } from "node:http2";
import { Code } from "@connectrpc/connect";
import { codeToHttpStatus, errorToJson } from "@connectrpc/connect/protocol-connect";
import { headerOf, isGone, type NodeRequest, type NodeResponse } from "../node-http.ts";
import { type Problem, toConnectError } from "../problem.ts";
import { nextStepOfReason, type ReasonName } from "../problem-reasons.ts";
import { requestIdHeader, requestIdOf } from "../request-id.ts";
import { isGrpc } from "./guest-headers.ts";

const answers: Partial<Record<ReasonName, readonly [status: number, title: string]>> = {
  CREDENTIAL_MISSING: [401, "This address needs a link"],
  CREDENTIAL_INVALID: [401, "This address needs another link"],
  LINK_EXPIRED: [403, "This link has expired"],
  SANDBOX_NOT_FOUND: [404, "This sandbox is gone"],
  SANDBOX_NOT_RUNNING: [503, "This sandbox is not running"],
  SANDBOX_PAUSED: [503, "This sandbox is paused"],
  PORT_CLOSED: [502, "Nothing answers on this port"],
  VM_DIED: [502, "This sandbox has ended"],
  SANDBOX_STATE_CONFLICT: [503, "This sandbox is being changed"],
  GUEST_LIMIT_EXCEEDED: [503, "This sandbox has too many visitors"],
  AGENT_UNREACHABLE: [503, "This sandbox does not answer"],
  HOST_UNAVAILABLE: [503, "This sandbox's host does not answer"],
  HOST_LOST: [503, "This sandbox's host does not answer"],
  DATABASE_UNAVAILABLE: [503, "The platform can't look this up now"],
};

/** Does nothing where the client has left or was answered. */
export function answerFailure(request: NodeRequest, response: NodeResponse, failure: Problem): void {
  if (isGone(response) || response.headersSent) return;
  const requestId = requestIdOf(request.headers[requestIdHeader]);
  const error = toConnectError(failure, requestId);
  if (isGrpc(request)) answerGrpc(response as Http2ServerResponse, error.code, error.rawMessage);
  else answerHttp(request, response, failure, requestId);
}

function answerHttp(request: NodeRequest, response: NodeResponse, failure: Problem, requestId: string): void {
  const [status, title] = answers[failure.reason] ?? [codeToHttpStatus(failure.code), "This did not work"];
  const page = prefersHtml(request);
  const body = page
    ? pageOf(title, failure, requestId)
    : `${JSON.stringify(errorToJson(toConnectError(failure, requestId), undefined))}\n`;
  const headers: Record<string, string> = {
    "content-type": page ? "text/html; charset=utf-8" : "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "dnah-error": failure.reason,
    [requestIdHeader]: requestId,
  };
  const { retryDelayMs } = failure.options;
  if (retryDelayMs !== undefined) headers["retry-after"] = String(Math.ceil(retryDelayMs / 1000));
  // A body that nobody reads stays behind in the connection.
  if (request.httpVersionMajor === 1 && !request.complete) headers.connection = "close";
  (response as http.ServerResponse).writeHead(status, headers).end(request.method === "HEAD" ? undefined : body);
}

function answerGrpc(response: Http2ServerResponse, code: Code, message: string): void {
  response.stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-status": String(code ?? Code.Unknown),
      "grpc-message": encodeURIComponent(message),
    },
    { endStream: true },
  );
}

/** Browsers name HTML first; what takes anything is a program. */
function prefersHtml(request: NodeRequest): boolean {
  return headerOf(request, "accept")?.includes("text/html") ?? false;
}

function pageOf(title: string, { reason, message, options }: Problem, requestId: string): string {
  const nextStep = options.nextStep ?? nextStepOfReason[reason];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 34em; margin: 15vh auto; padding: 0 1em; }
  small { opacity: 0.6; }
  :root { color-scheme: light dark; }
</style>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(message)}</p>
<p>${escapeHtml(nextStep)}</p>
<small>${escapeHtml(reason)} · ${escapeHtml(requestId)}</small>
</html>
`;
}

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => entities[char] as string);
}
