/** The cgroup of a VM: named after its uid, which no other VM of the machine has. */
import { join } from "node:path";
import { applyCgroup, removeCgroup } from "../host/cgroup/apply.ts";
import type { VmDeps } from "./vm-deps.ts";
import type { VmPlan } from "./vm-record.ts";

const parent = "daytonah";
/** The VMM beside the guest's memory: its code, page tables, buffers, and the process of the vsock. */
const vmmMib = 256;
const vmmPids = 256;
const removeMs = 10_000;

/** Its path; undefined on a host that can enforce no limits. */
export async function makeVmCgroup({ cgroups, files }: VmDeps, plan: VmPlan): Promise<string | undefined> {
  if (cgroups.limits === "unavailable") return undefined;
  const memoryBytes = (plan.memoryMib + vmmMib) * 1024 * 1024;
  // One more for the VMM's own threads: the guest is to get all it was given.
  const limits = { cpus: plan.vcpus + 1, memoryBytes, pids: vmmPids };
  return applyCgroup(cgroups, { parent, name: String(files.uidOf(plan.slot)) }, limits);
}

/** Ends what still runs in it. May be repeated. */
export async function removeVmCgroup(
  { cgroups, files }: Pick<VmDeps, "cgroups" | "files">,
  slot: number,
): Promise<void> {
  if (cgroups.limits === "unavailable") return;
  const path = join(cgroups.root, parent, String(files.uidOf(slot)));
  await removeCgroup(path, { signal: AbortSignal.timeout(removeMs) });
}
