/** The rpcs that are relayed: their paths and lanes. */
import type { ConnectRouter } from "@connectrpc/connect";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { MonitoringService } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { PortService } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import type { Lane } from "../hosts/host-sessions.ts";

const services = [
  { service: ProcessService, lane: "control" },
  { service: FileService, lane: "bulk" },
  { service: PortService, lane: "control" },
  { service: MonitoringService, lane: "control" },
] as const;

const lanes: ReadonlyMap<string, Lane> = new Map(
  services.flatMap(({ service, lane }) =>
    service.methods.map((method): [string, Lane] => [`/${service.typeName}/${method.name}`, lane]),
  ),
);

/** Undefined where the path is no rpc of the data plane. */
export function laneOfPath(path: string): Lane | undefined {
  return lanes.get(path);
}

/** For errors only: the services without a single method of their own. */
export function dataPlaneRoutes(router: ConnectRouter): void {
  for (const { service } of services) router.service(service, {});
}
