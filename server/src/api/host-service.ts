/** daytonah.v1.HostService. */
import { durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { type HostService, HostState } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { listHosts } from "../db/hosts.ts";
import type { HostAuthority } from "../hosts/host-authority.ts";
import { createJoinToken } from "../services/create-join-token.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { joinHost } from "../services/join-host.ts";
import { removeHost } from "../services/remove-host.ts";
import { pageOf, positionOf, sizeOfPage } from "./paging.ts";

const defaultTtlMs = 60 * 60_000;

export function createHostService(
  deps: ServiceDeps,
  authority: () => HostAuthority,
): Partial<ServiceImpl<typeof HostService>> {
  return {
    async listHosts(request) {
      const after = positionOf("hosts", request, 1)?.[0] ?? "";
      const rows = await listHosts(deps.db, after, sizeOfPage(request) + 1);
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

    async createJoinToken({ hostId, ttl }) {
      const ttlMs = ttl ? durationMs(ttl) : defaultTtlMs;
      const { token, expireTime } = await createJoinToken(deps.db, authority(), { hostId, ttlMs });
      return { token, expireTime: timestampFromDate(expireTime) };
    },

    joinHost: (request) => joinHost(deps, authority(), request),

    async removeHost({ hostId }) {
      await removeHost(deps.db, hostId);
      return {};
    },
  };
}
