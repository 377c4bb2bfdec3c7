/** daytonah.v1.ApiKeyService. */
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { ApiKeyFormat, type ApiKeyService } from "@daytonah/gen/daytonah/v1/organization_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { demandScope } from "../auth/demand-scope.ts";
import { type ApiKeyRow, listApiKeys, revokeApiKey } from "../db/api-keys.ts";
import type { Db } from "../db/schema.ts";
import { defaultScopes, isScope } from "../domain/scope.ts";
import { createApiKey } from "../services/create-api-key.ts";
import { callerOf } from "./admit.ts";
import { pageOf, sizeOfPage, timePositionOf } from "./paging.ts";

export function createApiKeyService(db: Db, onRevoked: () => void): ServiceImpl<typeof ApiKeyService> {
  return {
    async createApiKey(request, context) {
      const caller = callerOf(context);
      const asked = request.scopes.filter(isScope);
      const scopes = asked.length > 0 ? asked : defaultScopes;
      for (const scope of scopes) demandScope(caller, scope); // no key makes one that may do more
      const format = request.format === ApiKeyFormat.E2B ? "e2b" : "dnah";
      const { name, idempotencyKey } = request;
      const { row, secret } = await createApiKey(db, { orgId: caller.orgId, name, scopes, format, idempotencyKey });
      return { apiKey: apiKeyFromRow(row), secret };
    },

    async listApiKeys(request, context) {
      const after = timePositionOf("api-keys", request);
      const rows = await listApiKeys(db, callerOf(context).orgId, after, sizeOfPage(request) + 1);
      const { page, nextPageToken } = pageOf("api-keys", rows, request, (row) => [
        String(row.create_time.getTime()),
        row.id,
      ]);
      return { apiKeys: page.map(apiKeyFromRow), nextPageToken };
    },

    async revokeApiKey({ apiKeyId }, context) {
      const revoked = await revokeApiKey(db, callerOf(context).orgId, apiKeyId);
      if (revoked) {
        onRevoked();
        return {};
      }
      throw problem("RESOURCE_NOT_FOUND", `There is no API key ${apiKeyId} in your organization.`, {
        metadata: { api_key_id: apiKeyId },
        nextStep: "List the keys to see which there are.",
      });
    },
  };
}

function apiKeyFromRow({ id, name, prefix, scopes, create_time }: ApiKeyRow) {
  return { id, name, prefix, scopes: [...scopes], createTime: timestampFromDate(create_time) };
}
