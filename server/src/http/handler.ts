/** What a request is: a relayed call, a call of ours, or a question about our health. */
import { errorToJson } from "@connectrpc/connect/protocol-connect";
import type { NodeHandler, NodeRequest, NodeResponse } from "@daytonah/lib/node-http.ts";
import { problem, toConnectError } from "@daytonah/lib/problem.ts";
import { requestIdHeader, requestIdOf } from "@daytonah/lib/request-id.ts";
import type { RpcListener } from "@daytonah/lib/rpc-listener.ts";
import type { Relay } from "../relay/relay.ts";
import { answerCors } from "./cors.ts";
import type { Metrics } from "./metrics.ts";
import type { Readiness } from "./readiness.ts";

export interface HandlerOptions {
  readonly relay: Relay;
  readonly rpc: RpcListener;
  readonly readiness: () => Promise<Readiness>;
  readonly metrics: Metrics;
  readonly publicMetrics: boolean;
}

export function createHandler({ relay, rpc, readiness, metrics, publicMetrics }: HandlerOptions): NodeHandler {
  const pages: Readonly<Record<string, (request: NodeRequest, response: NodeResponse) => Promise<void>>> = {
    "/healthz": async (_, response) => answerJson(response, 200, { alive: true }),
    "/readyz": async (_, response) => {
      const answer = await readiness();
      answerJson(response, answer.ready ? 200 : 503, answer);
    },
    "/metrics": async (request, response) => {
      if (!publicMetrics && !isLocal(request)) return answerUnknown(request, response);
      const text = await metrics.print();
      response.statusCode = 200;
      response.setHeader("content-type", metrics.contentType);
      response.end(text);
    },
  };
  return (request, response) => {
    if (answerCors(request, response)) return;
    if (relay.handle(request, response) || rpc.handle(request, response)) return;
    const page = request.method === "GET" ? pages[request.url?.split("?", 1)[0] ?? ""] : undefined;
    if (page) page(request, response).catch(() => response.destroy());
    else answerUnknown(request, response);
  };
}

/** In Connect's form; gRPC clients go by the status. */
function answerUnknown(request: NodeRequest, response: NodeResponse): void {
  const requestId = requestIdOf(request.headers[requestIdHeader]);
  const error = problem("UNKNOWN_CALL", "There is no call of this path.");
  answerJson(response, 404, errorToJson(toConnectError(error, requestId), undefined));
}

function answerJson(response: NodeResponse, status: number, body: unknown): void {
  response.statusCode = status;
  response.setHeader("content-type", "application/json");
  response.end(`${JSON.stringify(body)}\n`);
}

/** A proxy on this machine calls from loopback, whoever calls the proxy. */
function isLocal({ headers, socket }: NodeRequest): boolean {
  if (headers["x-forwarded-for"] !== undefined || headers.forwarded !== undefined) return false;
  const address = socket.remoteAddress;
  return address === "::1" || /^(::ffff:)?127\./.test(address ?? "");
}
