/** Rows of hosts to protobuf. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Host, HostSchema, HostState } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import type { ListedHost } from "../db/hosts.ts";

export function hostToProto(row: ListedHost): Host {
  const { obstacle_reason: reason, obstacle_message: message, sandboxes, snapshots } = row;
  const isStuck = reason !== null && sandboxes + snapshots > 0; // what did not move may be deleted since
  return create(HostSchema, {
    id: row.id,
    state: row.state === "ready" ? HostState.READY : HostState.UNREACHABLE,
    architecture: row.architecture,
    driver: row.driver,
    hardwareIsolated: row.hardware_isolated,
    vcpus: row.vcpus,
    memoryMib: BigInt(row.memory_mib),
    diskFreeMib: BigInt(row.disk_free_mib),
    sandboxes,
    seenTime: timestampFromDate(row.seen_time),
    version: row.version,
    edgeUrl: row.edge_url,
    draining: row.draining,
    memoryUsedMib: BigInt(row.memory_used_mib),
    cpuClass: row.cpu_class,
    snapshots,
    tombstones: row.tombstones,
    ...(isStuck ? { obstacle: { reason, message: message ?? "" } } : {}),
  });
}
