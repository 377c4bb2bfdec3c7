/** Whether VMs can have Cloud Hypervisor for a VMM here, so far as that is seen without one. */
import { createCommandRunner } from "../host/exec.ts";
import { landlockLack } from "../vmm/cloud-hypervisor/landlock.ts";
import { unavailable } from "../vmm/cloud-hypervisor/unavailable.ts";
import type { Finding } from "./finding.ts";

export async function examineCloudHypervisor(
  binary: string,
  options: { readonly signal: AbortSignal },
): Promise<Finding> {
  const name = "cloud-hypervisor";
  const lack = await unavailable({ runner: createCommandRunner(), binary }, options);
  if (lack === undefined) return { name, good: "yes", detail: `${binary} runs` };
  const mend = "install v53.0 as /usr/local/bin/cloud-hypervisor: docs/cloud-hypervisor.md";
  return { name, good: "limited", detail: lack.split("\n")[0] as string, mend };
}

export async function examineLandlock(): Promise<Finding> {
  const name = "landlock";
  const lack = await landlockLack();
  if (lack === undefined) return { name, good: "yes", detail: "VMMs are confined to their own files" };
  const mend = "use Linux 6.2 or newer with landlock; until then a VMM is kept from others' files by its uid alone";
  return { name, good: "limited", detail: lack, mend };
}
