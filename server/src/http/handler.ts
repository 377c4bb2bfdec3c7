/** What a request is: a visit to a port, a relayed call, a call of ours, or a question about our health. */
import { answerCors } from "@daytonah/lib/cors.ts";
import type { NodeHandler, NodeRequest, NodeResponse } from "@daytonah/lib/node-http.ts";
import type { RpcListener } from "@daytonah/lib/rpc-listener.ts";
import { answerUnknownCall } from "@daytonah/lib/unknown-call.ts";
import type { PortEdge } from "../edge/port-edge.ts";
import type { Relay } from "../relay/relay.ts";
import type { Metrics } from "./metrics.ts";
import type { Readiness } from "./readiness.ts";

export interface HandlerOptions {
  readonly ports: PortEdge;
  readonly relay: Relay;
  readonly rpc: RpcListener;
  readonly readiness: () => Promise<Readiness>;
  readonly metrics: Metrics;
  readonly publicMetrics: boolean;
}

export function createHandler({ ports, relay, rpc, readiness, metrics, publicMetrics }: HandlerOptions): NodeHandler {
  const pages: Readonly<Record<string, (request: NodeRequest, response: NodeResponse) => Promise<void>>> = {
    "/healthz": async (_, response) => answerJson(response, 200, { alive: true }),
    "/readyz": async (_, response) => {
      const answer = await readiness();
      answerJson(response, answer.ready ? 200 : 503, answer);
    },
    "/metrics": async (request, response) => {
      if (!publicMetrics && !isLocal(request)) return answerUnknownCall(request, response);
      const text = await metrics.print();
      response.statusCode = 200;
      response.setHeader("content-type", metrics.contentType);
      response.end(text);
    },
  };
  return (request, response) => {
    // The guest's own pages: nothing of the API's is said for them.
    if (ports.handle(request, response)) return;
    if (answerCors(request, response)) return;
    if (relay.handle(request, response) || rpc.handle(request, response)) return;
    const page = request.method === "GET" ? pages[request.url?.split("?", 1)[0] ?? ""] : undefined;
    if (page) page(request, response).catch(() => response.destroy());
    else answerUnknownCall(request, response);
  };
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
