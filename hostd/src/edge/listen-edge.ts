/**
 * The host's edge: the port for clients that come straight to the host. It knows sandboxes' access tokens and signatures
 * made from them, never API keys, and nothing of the control plane's is reachable here.
 */
import { answerCors } from "@daytonah/lib/cors.ts";
import { type DualHttpServer, type DualHttpServerOptions, listenDual } from "@daytonah/lib/dual-http-server.ts";
import { responseOn } from "@daytonah/lib/edge/response-on.ts";
import { answerUnknownCall } from "@daytonah/lib/unknown-call.ts";
import type { DataPlaneOptions, DataPlaneServices } from "../api/data-plane.ts";
import type { Metrics } from "../api/metrics.ts";
import type { CallDeps } from "../api/sandbox-call.ts";
import { dataPlanePart } from "./data-plane-part.ts";
import type { EdgePart } from "./edge-part.ts";
import { filesPart } from "./files-part.ts";
import { previewPart } from "./preview-part.ts";
import { tcpPart } from "./tcp-part.ts";
import { type VisitorLimits, Visitors } from "./visitors.ts";

const maxStreams = 1_000;

export interface ListenEdgeOptions
  extends Pick<DataPlaneOptions, "log">,
    Pick<DualHttpServerOptions, "host" | "port" | "tls"> {
  readonly metrics: DataPlaneOptions["metrics"] & Pick<Metrics, "previews">;
  /** For tests. */
  readonly limits?: VisitorLimits;
}

export async function listenEdge(
  deps: CallDeps,
  services: DataPlaneServices,
  { host, port, tls, limits, ...options }: ListenEdgeOptions,
): Promise<DualHttpServer> {
  const visitors = new Visitors(limits);
  const previews = previewPart(deps, visitors, { log: options.log, meter: options.metrics.previews });
  // The first one that answers does.
  const parts: readonly EdgePart[] = [
    previews,
    { handle: answerCors },
    tcpPart(deps, visitors, options.log),
    filesPart(deps.registry, visitors, services.httpFiles(options)),
    dataPlanePart(deps.registry, visitors, services, options),
    healthPart,
  ];
  const server = await listenDual({
    ...{ host, port, maxStreams },
    ...(tls ? { tls } : {}),
    onConnection: (socket) => visitors.admit(socket),
    handler: (request, response) => {
      if (!parts.some((part) => part.handle(request, response))) answerUnknownCall(request, response);
    },
    onUpgrade: (request, socket, head) => {
      if (parts.some((part) => part.upgrade?.(request, socket, head))) return;
      answerUnknownCall(request, responseOn(request, socket));
    },
  });
  const close = async (graceMs: number) => {
    await server.close(graceMs);
    previews[Symbol.dispose]();
  };
  return { address: server.address, close, [Symbol.asyncDispose]: () => close(0) };
}

const healthPart: EdgePart = {
  handle(request, response) {
    if (request.url !== "/healthz") return false;
    response.setHeader("content-type", "application/json");
    response.end(`${JSON.stringify({ alive: true })}\n`);
    return true;
  },
};
