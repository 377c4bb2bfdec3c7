/** All that the daemon's port answers: the services, /healthz and /metrics. */

import type http from "node:http";
import { HostDaemonService } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { PortService } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { typedErrors, validateRequests } from "@daytonah/lib/interceptors.ts";
import type { Logger } from "@daytonah/lib/log.ts";
import type { NodeHandler, NodeRequest } from "@daytonah/lib/node-http.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { createRpcListener } from "@daytonah/lib/rpc-listener.ts";
import type { VmDeps } from "../vm/vm-deps.ts";
import { fileService } from "./file-service.ts";
import { type HostFacts, hostService } from "./host-service.ts";
import type { Metrics } from "./metrics.ts";
import { portService } from "./port-service.ts";
import { processService } from "./process-service.ts";
import { createQuickStreams, quickStream } from "./quick-streams.ts";

/** A shell line of 1 MiB and an environment beside it. */
const maxBodyBytes = 8 * 1024 * 1024;

export interface DaemonHandlerOptions {
  readonly facts: HostFacts;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly isServer: (request: NodeRequest) => boolean;
}

export function daemonHandler(deps: VmDeps, options: DaemonHandlerOptions): NodeHandler {
  const { facts, metrics, log, isServer } = options;
  const processes = processService(deps.registry);
  const files = fileService(deps.registry);
  const rpc = createRpcListener({
    routes: (router) => {
      router.service(HostDaemonService, hostService(deps, facts));
      router.service(ProcessService, processes);
      router.service(FileService, files);
      router.service(PortService, portService(deps.registry));
    },
    maxBodyBytes,
    log,
    // Its one client is near, and has better uses for its time.
    acceptCompression: [],
    interceptors: [metrics.interceptor, typedErrors(log), validateRequests],
  });
  const quick = createQuickStreams(
    [
      quickStream(ProcessService.method.exec, processes.exec),
      quickStream(ProcessService.method.attachProcess, processes.attachProcess),
      quickStream(FileService.method.readFile, files.readFile),
      quickStream(FileService.method.listDirectory, files.listDirectory),
      quickStream(FileService.method.searchFiles, files.searchFiles),
    ],
    { metrics, log, maxBodyBytes },
  );
  return (request, response) => {
    const answer = (status: number, text = "", contentType = "text/plain") => {
      response.statusCode = status;
      response.setHeader("content-type", contentType);
      (response as http.ServerResponse).end(text);
    };
    if (!isServer(request)) {
      const failure = problem(
        "CREDENTIAL_INVALID",
        "This port is for the control plane: the bearer is missing or wrong.",
      );
      if (!rpc.fail(request, response, failure)) answer(401);
      return;
    }
    if (quick(request, response) || rpc.handle(request, response)) return;
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
