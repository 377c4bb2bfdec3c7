/** daytonah.v1.HostService. */
import { durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { HostService } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { listHosts } from "../db/hosts.ts";
import type { HostAuthority } from "../hosts/host-authority.ts";
import { createJoinToken } from "../services/create-join-token.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { drainHost } from "../services/drain-host.ts";
import { joinHost } from "../services/join-host.ts";
import { removeHost } from "../services/remove-host.ts";
import { hostToProto } from "./host-convert.ts";
import { pageOf, positionOf, sizeOfPage } from "./paging.ts";

const defaultTtlMs = 60 * 60_000;

export function createHostService(deps: ServiceDeps, authority: () => HostAuthority): ServiceImpl<typeof HostService> {
  return {
    async listHosts(request) {
      const after = positionOf("hosts", request, 1)?.[0] ?? "";
      const rows = await listHosts(deps.db, after, sizeOfPage(request) + 1);
      const { page, nextPageToken } = pageOf("hosts", rows, request, ({ id }) => [id]);
      return { hosts: page.map(hostToProto), nextPageToken };
    },

    async createJoinToken({ hostId, ttl }) {
      const ttlMs = ttl ? durationMs(ttl) : defaultTtlMs;
      const { token, expireTime } = await createJoinToken(deps.db, authority(), { hostId, ttlMs });
      return { token, expireTime: timestampFromDate(expireTime) };
    },

    joinHost: (request) => joinHost(deps, authority(), request),

    drainHost: async ({ hostId }) => ({ host: hostToProto(await drainHost(deps.db, hostId, true)) }),

    undrainHost: async ({ hostId }) => ({ host: hostToProto(await drainHost(deps.db, hostId, false)) }),

    async removeHost({ hostId, force }) {
      await removeHost(deps, hostId, force);
      return {};
    },
  };
}
