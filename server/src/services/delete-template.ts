/** Deletes a template, and the snapshot that it stands on as soon as nobody needs that. */
import { abortable } from "@daytonah/lib/deadline.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { dropTemplate } from "../db/templates.ts";
import type { ServiceDeps } from "./deps.ts";
import { forgetSnapshot } from "./forget-snapshot.ts";

export async function deleteTemplate(
  deps: ServiceDeps,
  { orgId, name }: { readonly orgId: string; readonly name: string },
  signal: AbortSignal,
): Promise<void> {
  const snapshotId = await dropTemplate(deps.db, orgId, name);
  if (snapshotId === undefined) {
    throw problem("TEMPLATE_NOT_FOUND", `There is no template ${name} of your organization.`, {
      metadata: { template: name },
    });
  }
  await abortable(deps.background.run(forgetSnapshot(deps, snapshotId)), signal);
}
