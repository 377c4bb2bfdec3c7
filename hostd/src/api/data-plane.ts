/** The services that clients use, by whichever port their calls come in. */
import type { ConnectRouter } from "@connectrpc/connect";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { MonitoringService } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { PortService } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { typedErrors, validateRequests } from "@daytonah/lib/interceptors.ts";
import { createRpcListener, type RpcListener, type RpcListenerOptions } from "@daytonah/lib/rpc-listener.ts";
import { createHttpFiles, type HttpFilesOptions } from "../http-files/create-http-files.ts";
import { fileService } from "./file-service.ts";
import type { Metrics } from "./metrics.ts";
import { monitoringService } from "./monitoring-service.ts";
import { portService } from "./port-service.ts";
import { processService } from "./process-service.ts";
import { createQuickStreams, quickStream } from "./quick-streams.ts";
import type { CallDeps } from "./sandbox-call.ts";
import { Uploads } from "./uploads.ts";

export type DataPlaneServices = ReturnType<typeof dataPlaneServices>;

/** One of each for the whole daemon: an upload may go on by another port. */
export function dataPlaneServices(deps: CallDeps) {
  const uploads = new Uploads();
  return {
    processes: processService(deps),
    files: fileService(deps, uploads),
    ports: portService(deps),
    monitoring: monitoringService(deps),
    httpFiles: (options: HttpFilesOptions) => createHttpFiles(deps, uploads, options),
  };
}

export interface DataPlaneOptions extends Pick<RpcListenerOptions, "maxBodyBytes" | "log" | "acceptCompression"> {
  readonly metrics: Pick<Metrics, "interceptor" | "observe">;
  /** Services that this port has beside them. */
  readonly routes?: (router: ConnectRouter) => void;
}

export function createDataPlane(
  { processes, files, ports, monitoring }: DataPlaneServices,
  options: DataPlaneOptions,
): RpcListener {
  const { metrics, routes, ...listenerOptions } = options;
  const rpc = createRpcListener({
    ...listenerOptions,
    routes: (router) => {
      routes?.(router);
      router.service(ProcessService, processes);
      router.service(FileService, files);
      router.service(PortService, ports);
      router.service(MonitoringService, monitoring);
    },
    interceptors: [metrics.interceptor, typedErrors(options.log), validateRequests],
  });
  const quick = createQuickStreams(
    [
      quickStream(ProcessService.method.exec, processes.exec),
      quickStream(ProcessService.method.attachProcess, processes.attachProcess),
      quickStream(FileService.method.readFile, files.readFile),
      quickStream(FileService.method.listDirectory, files.listDirectory),
      quickStream(FileService.method.searchFiles, files.searchFiles),
      quickStream(MonitoringService.method.readLogs, monitoring.readLogs),
    ],
    options,
  );
  return {
    handle: (request, response) => quick(request, response) || rpc.handle(request, response),
    fail: rpc.fail,
  };
}
