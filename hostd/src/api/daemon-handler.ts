/** All that the daemon's port answers: the data plane, files over plain HTTP, what the control plane asks, moves, /healthz and /metrics. */

import type http from "node:http";
import { HostDaemonService } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import type { Logger } from "@daytonah/lib/log.ts";
import type { NodeHandler, NodeRequest } from "@daytonah/lib/node-http.ts";
import type { HostIdentity } from "../pki/host-identity.ts";
import type { VmDeps } from "../vm/vm-deps.ts";
import { createDataPlane, type DataPlaneServices } from "./data-plane.ts";
import { type HostFacts, hostService } from "./host-service.ts";
import { notTheServer } from "./listen-tls.ts";
import type { Metrics } from "./metrics.ts";
import { createMovesHttp } from "./moves-http.ts";

/** A shell line of 1 MiB and an environment beside it. */
const maxBodyBytes = 8 * 1024 * 1024;

export interface DaemonHandlerOptions {
  readonly facts: HostFacts;
  readonly identity: HostIdentity;
  readonly services: DataPlaneServices;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly isServer: (request: NodeRequest) => boolean;
}

export function daemonHandler(deps: VmDeps, options: DaemonHandlerOptions): NodeHandler {
  const { facts, identity, services, metrics, log, isServer } = options;
  const rpc = createDataPlane(services, {
    ...{ metrics, log, maxBodyBytes },
    routes: (router) => router.service(HostDaemonService, hostService(deps, facts, identity)),
    // Its one client is near, and has better uses for its time.
    acceptCompression: [],
  });
  const files = services.httpFiles({ metrics, log });
  const moves = createMovesHttp(deps, { metrics, log });
  return (request, response) => {
    const answer = (status: number, text = "", contentType = "text/plain") => {
      response.statusCode = status;
      response.setHeader("content-type", contentType);
      (response as http.ServerResponse).end(text);
    };
    if (!isServer(request)) {
      if (!rpc.fail(request, response, notTheServer())) answer(401);
      return;
    }
    if (rpc.handle(request, response) || files.handle(request, response) || moves(request, response)) return;
    switch (request.url) {
      case "/healthz":
        return answer(200, "ok\n");
      case "/metrics":
        metrics.text().then(
          (text) => answer(200, text, metrics.contentType),
          () => answer(500),
        );
        return;
      default:
        return answer(404);
    }
  };
}
