/**
 * Carries one HTTP exchange to a host and back: bodies as they come, with back-pressure, trailers, and cancellation
 * both ways. An exchange that breaks never looks as if it had ended well.
 */
import http2 from "node:http2";
import { bodyTooLarge } from "@daytonah/lib/body-too-large.ts";
import { breakOffStream } from "@daytonah/lib/edge/join-streams.ts";
import { breakOff, isFinalStatus, isGone, type NodeRequest, type NodeResponse } from "@daytonah/lib/node-http.ts";
import { type Problem, toConnectError } from "@daytonah/lib/problem.ts";
import { hostUnavailable } from "../hosts/host-problem.ts";
import { brokenEndOf, isEnveloped } from "./broken-end.ts";
import { createEnvelopeTracker, type EnvelopeTracker } from "./envelopes.ts";
import { clientHeaders, type RelayedCall, upstreamHeaders } from "./relay-headers.ts";

export interface Exchange {
  readonly call: RelayedCall;
  readonly request: NodeRequest;
  readonly response: NodeResponse;
  readonly session: http2.ClientHttp2Session;
  readonly maxBodyBytes: number;
  /** Answers with a typed error; called once, and only before anything was answered. */
  readonly fail: (error: Problem) => void;
}

/** How it ended: the client's HTTP status, or why not. */
export type ForwardOutcome = "answered" | "client_gone" | "host_gone" | "body_too_large";

export function forward(exchange: Exchange): Promise<ForwardOutcome> {
  const { call, request, response, session, maxBodyBytes } = exchange;
  let upstream: http2.ClientHttp2Stream;
  try {
    upstream = session.request(upstreamHeaders(call), { endStream: false });
  } catch (error) {
    exchange.fail(hostUnavailable(call.target.hostId, error)); // the session ended between get and request
    return Promise.resolve("host_gone");
  }
  return new Promise((resolve) => {
    let done = false;
    const finish = (outcome: ForwardOutcome) => {
      done = true;
      resolve(outcome);
    };

    sendBody(request, upstream, maxBodyBytes, () => {
      if (done) return;
      breakOffStream(upstream); // the host must not take half an upload for a whole one
      finish("body_too_large");
      if (response.headersSent) breakOff(response);
      else exchange.fail(bodyTooLarge(maxBodyBytes));
    });

    const answer = receiveAnswer(upstream, response);
    response.once("close", () => {
      if (done) return;
      breakOffStream(upstream);
      finish("client_gone");
    });
    let cause: unknown;
    upstream.once("error", (error) => {
      cause = error;
    });
    upstream.once("end", () => {
      // A reset ends the readable side, too; only the code tells the two apart.
      if (done || upstream.rstCode !== http2.constants.NGHTTP2_NO_ERROR || upstream.aborted || !answer.begun) return;
      answer.end();
      finish("answered");
    });
    upstream.once("close", () => {
      if (done) return;
      finish("host_gone");
      const error = hostUnavailable(call.target.hostId, cause);
      if (!answer.begun) exchange.fail(error);
      else answer.endBroken(error, call.requestId);
    });
  });
}

function sendBody(
  request: NodeRequest,
  upstream: http2.ClientHttp2Stream,
  maxBytes: number,
  onTooLarge: () => void,
): void {
  let total = 0;
  request.on("data", (chunk: Buffer) => {
    total += chunk.length;
    if (total > maxBytes) return onTooLarge();
    if (upstream.destroyed || upstream.writableEnded || upstream.write(chunk)) return;
    request.pause();
    upstream.once("drain", () => request.resume());
  });
  request.once("end", () => {
    if (!upstream.destroyed) upstream.end();
  });
  request.on("error", () => undefined); // the response closes as well
  upstream.once("close", () => request.resume()); // what still comes is thrown away
}

interface Answer {
  readonly begun: boolean;
  end(): void;
  endBroken(error: Problem, requestId: string): void;
}

function receiveAnswer(upstream: http2.ClientHttp2Stream, response: NodeResponse): Answer {
  let begun = false;
  let contentType = "";
  let tracker: EnvelopeTracker | undefined;
  let trailers: Record<string, string> = {};

  // Node's two classes declare the same method differently.
  const write = (bytes: Uint8Array) => (response as { write(bytes: Uint8Array): boolean }).write(bytes);
  const endWith = (last: Record<string, string>) => {
    // HTTP/1.1 clients of ours read none: Connect and gRPC-Web put theirs into the body.
    if ("stream" in response && Object.keys(last).length > 0) response.addTrailers(last);
    response.end();
  };

  const pass = (chunk: Buffer) => {
    tracker?.push(chunk);
    if (isGone(response) || write(chunk)) return;
    upstream.pause();
    response.once("drain", () => upstream.resume());
  };
  upstream.once("response", (headers) => {
    if (isGone(response)) return;
    const status = headers[":status"] ?? 0;
    if (!isFinalStatus(status)) return void upstream.destroy(new Error(`the host answered with status ${status}`));
    begun = true;
    contentType = String(headers["content-type"] ?? "");
    if (isEnveloped(contentType)) tracker = createEnvelopeTracker();
    (response as { writeHead(status: number, headers: object): void }).writeHead(status, clientHeaders(headers));
    // Not before: Node tells of headers a tick late, and of data that came with them at once.
    upstream.on("data", pass);
    // Headers without data yet: let them go, unless the end comes along with them.
    setImmediate(() => {
      if (upstream.endAfterHeaders || response.headersSent || isGone(response)) return;
      (response as { flushHeaders(): void }).flushHeaders();
    });
  });
  upstream.once("trailers", (headers) => {
    trailers = Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) => (name.startsWith(":") ? [] : [[name, String(value)]])),
    );
  });

  return {
    get begun() {
      return begun;
    },
    end: () => endWith(trailers),
    endBroken(error, requestId) {
      const end = brokenEndOf(contentType, toConnectError(error, requestId));
      if (isGone(response)) return;
      if (end.t === "trailers" && "stream" in response) endWith(end.trailers);
      else if (end.t === "message" && tracker?.atBoundary) {
        write(end.bytes);
        response.end();
      } else breakOff(response);
    },
  };
}
