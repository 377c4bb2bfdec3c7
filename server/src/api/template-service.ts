/** daytonah.v1.TemplateService: what the ready hosts have. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { TemplateService } from "@daytonah/gen/daytonah/v1/template_pb.ts";
import { readyHosts } from "../db/hosts.ts";
import type { Db, HostTemplateRow } from "../db/schema.ts";
import { pageOf, positionOf } from "./paging.ts";

export function createTemplateService(db: Db): Partial<ServiceImpl<typeof TemplateService>> {
  return {
    async listTemplates(request) {
      const after = positionOf("templates", request, 1)?.[0] ?? "";
      const byName = new Map<string, HostTemplateRow>();
      for (const host of await readyHosts(db)) {
        for (const template of host.templates) byName.set(template.name, template);
      }
      const rows = [...byName.values()].filter(({ name }) => name > after).sort((a, b) => (a.name < b.name ? -1 : 1));
      const { page, nextPageToken } = pageOf("templates", rows, request, ({ name }) => [name]);
      return { templates: page.map((row) => ({ ...row, packages: { ...row.packages } })), nextPageToken };
    },
  };
}
