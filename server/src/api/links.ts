/** CreatePortUrl and CreateFileUrl: links are signed, not stored. */
import { type Duration, durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { FileUrlOperation, type SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { fileQueryOf, portTokenOf, signingKeyOf } from "@daytonah/lib/sandbox-signature.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import { accessTokenOf } from "../domain/access-token.ts";
import { directPortUrlOf, fileUrlOf, type Origins, portUrlOf } from "../domain/links.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { linkSandbox } from "./link-sandbox.ts";

const defaultMs = 3_600_000;

export function createLinks(
  deps: ServiceDeps,
  origins: () => Origins,
): Pick<ServiceImpl<typeof SandboxService>, "createPortUrl" | "createFileUrl"> {
  const keyOf = (row: SandboxRow) => signingKeyOf(accessTokenOf(deps.tokenKey, row.id, row.token_generation));
  /** Whole seconds, as in the signature. */
  const endOf = (ttl: Duration | undefined) =>
    new Date(Math.ceil((deps.clock.now() + (ttl ? durationMs(ttl) : defaultMs)) / 1000) * 1000);
  return {
    async createPortUrl({ sandboxId, port, ttl }, context) {
      const row = await linkSandbox(deps, context, sandboxId);
      const expireTime = endOf(ttl);
      const token = portTokenOf(keyOf(row), sandboxId, port, expireTime);
      return {
        url: portUrlOf(origins(), sandboxId, port, token),
        directUrl: directPortUrlOf(deps.edgeUrlOf(row.host_id), sandboxId, port, token),
        token,
        expireTime: timestampFromDate(expireTime),
      };
    },

    async createFileUrl({ sandboxId, path, operation, user, ttl }, context) {
      const row = await linkSandbox(deps, context, sandboxId);
      const expireTime = endOf(ttl);
      const allowed = operation === FileUrlOperation.WRITE ? "write" : "read";
      const query = fileQueryOf(keyOf(row), { sandboxId, operation: allowed, path, user }, expireTime);
      return {
        url: fileUrlOf(origins().publicUrl, sandboxId, query),
        directUrl: fileUrlOf(deps.edgeUrlOf(row.host_id), sandboxId, query),
        expireTime: timestampFromDate(expireTime),
      };
    },
  };
}
