/** What follows when a VM ends that should run: its record says so at once, and what it left goes, but for its disk. */
import type { AgentClient } from "../guest/agent-client.ts";
import type { Vm, VmExit } from "../vmm/vmm.ts";
import { VmMonitor } from "./monitor/vm-monitor.ts";
import { removeVmCgroup } from "./vm-cgroup.ts";
import type { VmDeps } from "./vm-deps.ts";
import { failureProblem, type LiveVm, type VmEntry } from "./vm-entry.ts";
import type { VmFailure } from "./vm-record.ts";

/** Makes the VM the entry's live one. Call it right after the record says "running". */
export function superviseVm(deps: VmDeps, entry: VmEntry, vm: Vm, agent: AgentClient): LiveVm {
  const ended = new AbortController();
  const { sampleMs: intervalMs } = deps.limits;
  const monitor = new VmMonitor(vm, agent, { signal: ended.signal, intervalMs, now: deps.now });
  const live: LiveVm = { vm, agent, ended, monitor };
  entry.goLive(live);
  void vm.exited.then((exit) => onExit(deps, entry, live, exit));
  return live;
}

async function onExit(deps: VmDeps, entry: VmEntry, live: LiveVm, exit: VmExit): Promise<void> {
  if (entry.live !== live) return; // it was ended on purpose
  const failure = vmDied(entry.sandboxId, exitText(exit));
  entry.die(failureProblem(failure));
  const who = { vm: entry.sandboxId, epoch: entry.record.epoch };
  try {
    await deps.registry.move(entry, { state: "failed", failure });
    deps.log.warn("vm.died", { ...who, kind: exit.kind });
    // The end of the guest's console: its users' words.
    if (exit.kind === "died") deps.log.debug("vm.died.detail", { ...who, detail: exit.detail });
    await entry.operations.run(`sweep ${live.vm.handle.pid}`, async () => {
      if (entry.record.state === "failed") await sweepVm(deps, entry); // else it runs again already
    });
  } catch (error) {
    // A delete cleans; a pause had all it keeps already.
    if (entry.deletion || entry.record.state === "paused") return;
    deps.log.error("vm.died.unrecorded", { ...who, error });
  }
}

export function vmDied(sandboxId: string, how: string): VmFailure {
  return { reason: "VM_DIED", message: `The sandbox's VM ${how}.`, metadata: { sandbox_id: sandboxId } };
}

function exitText(exit: VmExit): string {
  switch (exit.kind) {
    case "poweroff":
      return "powered off by itself";
    case "stopped":
      return "was stopped";
    case "died":
      return "ended unexpectedly"; // the detail is for the log
    default:
      return exit satisfies never;
  }
}

/** Ends every process of the VM and removes its run directory. May be repeated. */
export async function sweepVm(deps: VmDeps, entry: Pick<VmEntry, "record">): Promise<void> {
  await sweepSlot(deps, entry.record.slot);
}

export async function sweepSlot(deps: Pick<VmDeps, "vmm" | "files" | "cgroups">, slot: number): Promise<void> {
  const { vmm, files } = deps;
  await vmm.sweep({ dir: files.runDirOf(slot), uid: files.uidOf(slot) });
  await removeVmCgroup(deps, slot);
  await files.removeRunDir(slot);
}
