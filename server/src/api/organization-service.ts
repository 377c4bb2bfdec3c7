/** daytonah.v1.OrganizationService. */
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { OrganizationService } from "@daytonah/gen/daytonah/v1/organization_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { listOrganizations, type OrganizationRow } from "../db/organizations.ts";
import { setLimits } from "../db/quotas.ts";
import type { Db } from "../db/schema.ts";
import { createOrganization } from "../services/create-organization.ts";
import { callerOf } from "./admit.ts";
import { pageOf, positionOf, sizeOfPage } from "./paging.ts";

export function createOrganizationService(db: Db): ServiceImpl<typeof OrganizationService> {
  return {
    async createOrganization({ name, idempotencyKey }, context) {
      const callerOrgId = callerOf(context).orgId;
      const { row, secret } = await createOrganization(db, { callerOrgId, name, idempotencyKey });
      return { organization: organizationFromRow(row), apiKey: secret };
    },

    async listOrganizations(request) {
      const after = positionOf("organizations", request, 1)?.[0] ?? "";
      const rows = await listOrganizations(db, after, sizeOfPage(request) + 1);
      const { page, nextPageToken } = pageOf("organizations", rows, request, ({ id }) => [id]);
      return { organizations: page.map(organizationFromRow), nextPageToken };
    },

    async setOrganizationLimits({ organizationId, limits }) {
      const row = await setLimits(db, organizationId, {
        max_sandboxes: limits?.sandboxes ?? null,
        max_vcpus: limits?.vcpus ?? null,
        max_memory_mib: limits?.memoryMib ?? null,
      });
      if (!row) throw problem("RESOURCE_NOT_FOUND", `There is no organization ${organizationId}.`);
      return { organization: organizationFromRow(row) };
    },
  };
}

function organizationFromRow({ id, name, create_time, ...limits }: OrganizationRow) {
  return {
    ...{ id, name, createTime: timestampFromDate(create_time) },
    limits: {
      sandboxes: limits.max_sandboxes ?? undefined,
      vcpus: limits.max_vcpus ?? undefined,
      memoryMib: limits.max_memory_mib ?? undefined,
    },
  };
}
