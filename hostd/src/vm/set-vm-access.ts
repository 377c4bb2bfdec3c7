/** Changes who may reach a VM at the edge. Idempotent by version: the newest stays, however commands overtake one another. */
import { problem } from "@daytonah/lib/problem.ts";
import type { VmDeps } from "./vm-deps.ts";
import type { VmAccess } from "./vm-record.ts";

export async function setVmAccess(
  { registry, log }: VmDeps,
  sandboxId: string,
  epoch: number,
  access: VmAccess,
): Promise<void> {
  const entry = registry.get(sandboxId);
  const metadata = { sandbox_id: sandboxId };
  if (!entry) throw problem("SANDBOX_NOT_FOUND", `This host has no sandbox ${sandboxId}.`, { metadata });
  const { record } = entry;
  if (record.epoch !== epoch) {
    throw problem("SANDBOX_NOT_RUNNING", `${sandboxId} is at epoch ${record.epoch}, and this is for ${epoch}.`, {
      metadata: { ...metadata, state: record.state, epoch: String(record.epoch) },
    });
  }
  await registry.setAccess(entry, access);
  log.info("vm.access", { vm: sandboxId, version: access.version });
}
