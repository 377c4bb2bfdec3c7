/**
 * Carries one request to an HTTP/1.1 server in a guest, and its answer back: bodies as they come, with back-pressure,
 * trailers, and cancellation both ways. An answer that breaks never looks as if it had ended well.
 */
import http from "node:http";
import type { Duplex } from "node:stream";
import { breakOff, isFinalStatus, isGone, type NodeRequest, type NodeResponse } from "../node-http.ts";
import { type Problem, problem, problemOf } from "../problem.ts";
import type { Destination, GuestConnections, GuestPort } from "./guest-connections.ts";
import { groupHeaders, headersForClient, type RawHeaders } from "./guest-headers.ts";
import { wasReset } from "./join-streams.ts";
import type { PreviewMeter } from "./preview-meter.ts";

export interface Forwarded {
  readonly connections: GuestConnections;
  readonly target: Destination;
  readonly meter: PreviewMeter;
  readonly request: NodeRequest;
  readonly response: NodeResponse;
  /** Path and query. */
  readonly path: string;
  readonly headers: RawHeaders;
  /** Answers in the guest's stead; called once at most, and only before anything was answered. */
  readonly fail: (error: Problem) => void;
}

export function forwardHttp1(forwarded: Forwarded): void {
  const { connections, target, meter, request, response } = forwarded;
  const hasBody = bodyFollows(request);
  const send = (fresh: boolean) => {
    const upstream = http.request({
      ...connections.http1(target, { fresh }),
      ...{
        method: request.method ?? "GET",
        path: forwarded.path,
        headers: [...forwarded.headers, ...framingOf(request)],
      },
    });
    const fail = (error: unknown) => forwarded.fail(unanswered(target, error));
    const leave = () => upstream.destroy();
    response.once("close", leave);
    let answered = false;
    upstream.once("response", (answer) => {
      answered = true;
      receiveAnswer(answer, response, { meter, fail, onEnd: () => response.off("close", leave) });
    });
    for (const event of ["upgrade", "connect"]) {
      upstream.once(event, (_: unknown, guest: Duplex) => {
        response.off("close", leave);
        guest.destroy();
        if (!isGone(response)) fail(new Error("the program left HTTP, unasked"));
      });
    }
    upstream.once("error", (error) => {
      if (answered) return; // a program may answer, and take no more of the body: the answer itself says whether it is whole
      response.off("close", leave);
      if (isGone(response)) return;
      if (upstream.reusedSocket && !hasBody) send(true);
      else fail(error);
    });
    if (hasBody) sendBody(request, upstream, meter);
    else upstream.end();
  };
  send(hasBody);
}

/** Whether a request has a body; HTTP/2 says it by its headers' frame, HTTP/1.1 by a header. */
export function bodyFollows(request: NodeRequest): boolean {
  if ("stream" in request) return !request.stream.endAfterHeaders;
  const { headers } = request;
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** `Content-Length` passes as it came; a body of unknown length goes in chunks, which may have trailers. */
function framingOf(request: NodeRequest): string[] {
  if (request.headers["content-length"] !== undefined) return [];
  if (bodyFollows(request)) return ["Transfer-Encoding", "chunked"];
  return /^(?:POST|PUT|PATCH)$/.test(request.method ?? "") ? ["Content-Length", "0"] : [];
}

function sendBody(request: NodeRequest, upstream: http.ClientRequest, meter: PreviewMeter): void {
  meter.count(request, "to_guest");
  request.pipe(upstream, { end: false });
  request.once("end", () => {
    // The guest must not take a body that was broken off for a whole one: the response closes as well.
    if ("stream" in request && wasReset(request.stream)) return;
    if (Object.keys(request.trailers).length > 0 && request.headers["content-length"] === undefined) {
      upstream.addTrailers(request.trailers as Record<string, string>);
    }
    upstream.end();
  });
  // A guest may answer before it has read all: the rest is thrown away.
  upstream.once("close", () => request.unpipe(upstream).resume());
}

/** Passes on what the guest answers; `fail` answers in its stead where nobody could be told its headers. */
export function receiveAnswer(
  answer: http.IncomingMessage,
  response: NodeResponse,
  {
    meter,
    fail,
    onEnd,
  }: { readonly meter: PreviewMeter; readonly fail: (error: unknown) => void; readonly onEnd?: () => void },
): void {
  if (isGone(response)) return void answer.destroy();
  const { socket } = answer; // it is no longer the answer's when that ends
  try {
    writeHead(answer, response);
  } catch (error) {
    answer.destroy();
    fail(error);
    return;
  }
  meter.count(answer, "to_client");
  answer.pipe(response as http.ServerResponse, { end: false });
  answer.once("end", () => {
    onEnd?.();
    if (!answer.complete || wasReset(socket)) return breakOff(response);
    endWith(response, answer.rawTrailers);
  });
  answer.once("error", () => breakOff(response));
  answer.once("close", () => {
    if (!answer.complete) breakOff(response);
  });
}

function writeHead(answer: http.IncomingMessage, response: NodeResponse): void {
  const status = answer.statusCode ?? 0;
  if (!isFinalStatus(status)) throw new Error(`the program answered with status ${status}`);
  const headers = headersForClient(answer.rawHeaders);
  if ("stream" in response) {
    const grouped = groupHeaders(headers);
    response.writeHead(status, grouped as http.OutgoingHttpHeaders);
    return;
  }
  response.sendDate = false;
  const chunked = response.req.httpVersion === "1.1" && answer.headers["content-length"] === undefined;
  // Node refuses to announce trailers that its framing can't carry.
  response.writeHead(status, answer.statusMessage ?? "", chunked ? headers : without(headers, "trailer"));
  response.flushHeaders();
}

function without(raw: readonly string[], name: string): string[] {
  return raw.filter((_, index) => raw[index - (index % 2)]?.toLowerCase() !== name);
}

function endWith(response: NodeResponse, rawTrailers: RawHeaders): void {
  if (isGone(response)) return;
  // HTTP/2 throws at fields of one connection, long after anybody could be told.
  const trailers = without(headersForClient(rawTrailers), "te");
  if (trailers.length > 0) {
    for (const [name, values] of Object.entries(groupHeaders(trailers))) {
      response.addTrailers({ [name]: values.join(", ") });
    }
  }
  response.end();
}

/** What dialling said, or that the program broke the connection off. */
export function unanswered({ port }: GuestPort, cause: unknown): Problem {
  return (
    problemOf(cause) ??
    problem("PORT_CLOSED", `The program on port ${port} ended the connection, and gave no answer.`, {
      metadata: { port: String(port) },
      nextStep: "Look at what the program printed; it must speak HTTP on this port.",
      cause,
    })
  );
}
