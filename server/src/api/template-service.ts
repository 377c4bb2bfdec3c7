/** daytonah.v1.TemplateService: what the ready hosts have, and what the organization made. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { TemplateSchema, TemplateService } from "@daytonah/gen/daytonah/v1/template_pb.ts";
import { readyHosts } from "../db/hosts.ts";
import type { SnapshotRow } from "../db/snapshots.ts";
import { listOwnTemplates } from "../db/templates.ts";
import { createTemplate } from "../services/create-template.ts";
import { deleteTemplate } from "../services/delete-template.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { callerOf } from "./admit.ts";
import { callOf } from "./interceptors.ts";
import { pageOf, positionOf, sizeOfPage } from "./paging.ts";
import { stageToProto } from "./sandbox-convert.ts";

export function createTemplateService(deps: ServiceDeps): ServiceImpl<typeof TemplateService> {
  return {
    async createTemplate({ sandboxId, name, description, idempotencyKey }, context) {
      const input = { orgId: callerOf(context).orgId, sandboxId, name, description, idempotencyKey };
      const { row, stages } = await createTemplate(deps, input, callOf(context));
      return { template: templateFromSnapshot(row), stages: stages.map(stageToProto) };
    },

    async deleteTemplate({ name }, context) {
      await deleteTemplate(deps, { orgId: callerOf(context).orgId, name }, context.signal);
      return {};
    },

    async listTemplates(request, context) {
      const after = positionOf("templates", request, 1)?.[0] ?? "";
      const byName = new Map<string, MessageInitShape<typeof TemplateSchema>>();
      for (const host of await readyHosts(deps.db)) {
        for (const template of host.templates) {
          byName.set(template.name, { ...template, packages: { ...template.packages } });
        }
      }
      const own = await listOwnTemplates(deps.db, callerOf(context).orgId, after, sizeOfPage(request) + 1);
      for (const row of own) byName.set(row.template_name ?? "", templateFromSnapshot(row));
      const rows = [...byName].filter(([name]) => name > after).sort(([a], [b]) => (a < b ? -1 : 1));
      const { page, nextPageToken } = pageOf("templates", rows, request, ([name]) => [name]);
      return { templates: page.map(([, template]) => template), nextPageToken };
    },
  };
}

function templateFromSnapshot(row: SnapshotRow): MessageInitShape<typeof TemplateSchema> {
  return {
    ...{ name: row.template_name ?? "", description: row.template_description ?? "", snapshotId: row.id },
    diskMib: row.disk_mib,
    resources: { vcpus: row.vcpus, memoryMib: row.memory_mib, diskMib: row.disk_mib },
  };
}
