/** From a VM's files to a VM whose agent knows who it is: what starts, forks and resumes have in common. */
import { withDeadline } from "@daytonah/lib/deadline.ts";
import type { AgentClient } from "../guest/agent-client.ts";
import { awaitAgent } from "../guest/await-agent.ts";
import type { Vm, VmConfig, VmHandle } from "../vmm/vmm.ts";
import { guestCmdline } from "./guest-cmdline.ts";
import { type Personalize, personalizeInStages } from "./personalize.ts";
import type { Stages } from "./stages.ts";
import { makeVmCgroup } from "./vm-cgroup.ts";
import type { VmDeps } from "./vm-deps.ts";
import type { VmPlan } from "./vm-record.ts";

export interface BringUp {
  readonly config: VmConfig;
  /** Folder of the memory it goes on from; boots from its disk where absent. */
  readonly memory?: string;
  readonly plan: VmPlan;
  readonly personalize: Personalize;
  readonly stages: Stages;
  /** Writes down how its VMM is found again, while the agent is waited for. */
  readonly onVmm?: (handle: VmHandle) => Promise<unknown>;
}

/** Makes the run directory and the cgroup; the root disk is there, or `disk` makes it beside them. */
export async function makeVmConfig(
  deps: VmDeps,
  plan: VmPlan,
  disk: Promise<void> = Promise.resolve(),
): Promise<VmConfig> {
  const { files, images, store } = deps;
  const steps = [files.makeRunDir(plan.slot), makeVmCgroup(deps, plan), disk] as const;
  // All of them, also where one fails: what is taken back then must not be made once more behind that.
  await Promise.allSettled(steps);
  const [dir, cgroup] = await Promise.all(steps);
  return {
    id: plan.sandboxId,
    dir,
    uid: files.uidOf(plan.slot),
    gid: files.uidOf(plan.slot),
    ...(cgroup === undefined ? {} : { cgroup }),
    vcpus: plan.vcpus,
    memoryMib: plan.memoryMib,
    kernel: images.pathOf(plan.images.kernel),
    initramfs: images.pathOf(plan.images.initramfs),
    cmdline: guestCmdline(images.bundle.moduleDisk.filesystem),
    disks: [
      { id: "root", path: store.rootDiskOf(plan.sandboxId), readonly: false },
      { id: "modules", path: images.pathOf(plan.images.moduleDisk), readonly: true },
    ],
  };
}

/** On failure its VMM is killed. */
export async function bringUp(
  deps: VmDeps,
  { config, memory, plan, personalize: told, stages, onVmm }: BringUp,
  signal: AbortSignal,
): Promise<{ readonly vm: Vm; readonly agent: AgentClient }> {
  const { bootMs } = deps.limits;
  using deadline = withDeadline(signal, bootMs, () => new Error(`the VM was not up after ${bootMs} ms`));
  const vm = await (memory === undefined
    ? stages.time("vmm", () => deps.vmm.boot(config, deadline))
    : stages.time("restore", () => deps.vmm.restore(config, memory, deadline)));
  try {
    const agent = deps.agentAt(vm.vsockPath);
    using alive = endWith(vm, deadline.signal);
    await stages.time("agent", () => Promise.all([awaitAgent(agent, alive), onVmm?.(vm.handle)]));
    await personalizeInStages(stages, deps, agent, plan, told, alive);
    return { vm, agent };
  } catch (error) {
    await vm.kill();
    throw error;
  }
}

/** A signal that aborts when the VM ends too. */
function endWith(vm: Vm, signal: AbortSignal): { readonly signal: AbortSignal } & Disposable {
  const ended = new AbortController();
  const onAbort = () => ended.abort(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort);
  void vm.exited.then((exit) => {
    ended.abort(new Error(`the VMM ended (${exit.kind})${exit.kind === "died" ? `: ${exit.detail}` : ""}`));
  });
  return { signal: ended.signal, [Symbol.dispose]: () => signal.removeEventListener("abort", onAbort) };
}
