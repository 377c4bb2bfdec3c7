/** Changes who may reach a VM at the edge. Idempotent by version: the newest stays, however commands overtake one another. */
import { entryAt } from "./entry-at.ts";
import type { VmDeps } from "./vm-deps.ts";
import type { VmAccess } from "./vm-record.ts";

export async function setVmAccess(
  { registry, log }: VmDeps,
  sandboxId: string,
  epoch: number,
  access: VmAccess,
): Promise<void> {
  const entry = entryAt(registry, sandboxId, epoch);
  await registry.setAccess(entry, access);
  log.info("vm.access", { vm: sandboxId, version: access.version });
}
