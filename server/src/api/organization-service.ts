/** daytonah.v1.OrganizationService. */
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { OrganizationService } from "@daytonah/gen/daytonah/v1/organization_pb.ts";
import { listOrganizations, type OrganizationRow } from "../db/organizations.ts";
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
  };
}

function organizationFromRow({ id, name, create_time }: OrganizationRow) {
  return { id, name, createTime: timestampFromDate(create_time) };
}
