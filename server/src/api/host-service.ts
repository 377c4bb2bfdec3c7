/** daytonah.v1.HostService. */
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { type HostService, HostState } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { listHosts } from "../db/hosts.ts";
import type { Db } from "../db/schema.ts";
import { pageOf, positionOf, sizeOfPage } from "./paging.ts";

export function createHostService(db: Db): Partial<ServiceImpl<typeof HostService>> {
  return {
    async listHosts(request) {
      const after = positionOf("hosts", request, 1)?.[0] ?? "";
      const rows = await listHosts(db, after, sizeOfPage(request) + 1);
      const { page, nextPageToken } = pageOf("hosts", rows, request, ({ id }) => [id]);
      const hosts = page.map((row) => ({
        id: row.id,
        state: row.state === "ready" ? HostState.READY : HostState.UNREACHABLE,
        architecture: row.architecture,
        driver: row.driver,
        hardwareIsolated: row.hardware_isolated,
        vcpus: row.vcpus,
        memoryMib: BigInt(row.memory_mib),
        diskFreeMib: BigInt(row.disk_free_mib),
        sandboxes: row.sandboxes,
        seenTime: timestampFromDate(row.seen_time),
        version: row.version,
        edgeUrl: row.edge_url,
        draining: row.draining,
        memoryUsedMib: BigInt(row.memory_used_mib),
        cpuClass: row.cpu_class,
      }));
      return { hosts, nextPageToken };
    },
  };
}
