import { createClient, type Client as RpcClient, type Transport } from "@connectrpc/connect";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { MonitoringService } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { PortService } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";

/** One way to sandboxes' data planes: through the control plane, or straight to a host's edge. Both answer the same calls. */
export interface DataWay {
  /** Origin, without a slash at its end. */
  readonly url: string;
  readonly processes: RpcClient<typeof ProcessService>;
  readonly files: RpcClient<typeof FileService>;
  readonly ports: RpcClient<typeof PortService>;
  readonly monitoring: RpcClient<typeof MonitoringService>;
}

export function createDataWay(url: string, transport: Transport): DataWay {
  return {
    url,
    processes: createClient(ProcessService, transport),
    files: createClient(FileService, transport),
    ports: createClient(PortService, transport),
    monitoring: createClient(MonitoringService, transport),
  };
}
