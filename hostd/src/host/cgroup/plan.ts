import { join } from "node:path";

/** Limits of one VM, in its own cgroup. */
export interface CgroupLimits {
  /** CPU time in a second of wall time, as a number of CPUs. */
  readonly cpus: number;
  /** All memory of the VM's processes: the guest's and what its VMM needs beside. */
  readonly memoryBytes: number;
  readonly pids: number;
}

export const CGROUP_CONTROLLERS = ["cpu", "memory", "pids"] as const;
export type CgroupController = (typeof CGROUP_CONTROLLERS)[number];

export type CgroupStep =
  | { readonly step: "mkdir"; readonly path: string }
  | { readonly step: "write"; readonly path: string; readonly text: string };

/** Of CPU time; the kernel's default. Shorter ones cost switches, longer ones make stalls. */
const CPU_PERIOD_US = 100_000;

/**
 * The steps that give a VM its cgroup below `parent`, with limits for those controllers that the host has. They may be
 * repeated, also with other limits: cgroup files take the new value.
 */
export function planCgroup(
  parent: string,
  name: string,
  limits: CgroupLimits,
  controllers: readonly CgroupController[],
): readonly CgroupStep[] {
  const path = join(parent, name);
  const steps: CgroupStep[] = [
    { step: "mkdir", path: parent },
    {
      step: "write",
      path: join(parent, "cgroup.subtree_control"),
      text: controllers.map((one) => `+${one}`).join(" "),
    },
    { step: "mkdir", path },
  ];
  for (const controller of controllers) {
    steps.push(...limitsOf(path, controller, limits));
  }
  return steps;
}

function limitsOf(path: string, controller: CgroupController, limits: CgroupLimits): readonly CgroupStep[] {
  switch (controller) {
    case "cpu":
      return [
        {
          step: "write",
          path: join(path, "cpu.max"),
          text: `${Math.round(limits.cpus * CPU_PERIOD_US)} ${CPU_PERIOD_US}`,
        },
      ];
    case "memory":
      return [
        { step: "write", path: join(path, "memory.max"), text: String(limits.memoryBytes) },
        // One guest without memory ends whole: a VMM without its vsock process is of no use.
        { step: "write", path: join(path, "memory.oom.group"), text: "1" },
      ];
    case "pids":
      return [{ step: "write", path: join(path, "pids.max"), text: String(limits.pids) }];
    default:
      controller satisfies never;
      return [];
  }
}
