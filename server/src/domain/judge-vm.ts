/** What the control plane makes of a VM that a host reports. The table is in docs/sandbox-life.md, "What the host says". */
import type { SandboxState } from "./sandbox-state.ts";

export interface WantedSandbox {
  readonly state: SandboxState;
  readonly epoch: bigint;
  readonly hostId: string | null;
}

export interface ReportedVm {
  readonly hostId: string;
  readonly epoch: bigint;
  readonly state: "starting" | "running" | "failed" | "deleted";
}

/**
 * `fail` and `recover` move the sandbox, `delete` ends the VM, `none`: as it should be, or another's work. `unknown`: no row
 * was ever written for it, so the database is an older one than the host; a person must look, no loop destroys it.
 */
export type Verdict = "none" | "delete" | "fail" | "recover" | "unknown";

export function judgeVm(wanted: WantedSandbox | undefined, vm: ReportedVm): Verdict {
  if (vm.state === "deleted") return judgeVanished(wanted, vm);
  if (!wanted) return "unknown";
  if (wanted.state === "deleted" || wanted.hostId !== vm.hostId) return "delete";
  if (wanted.state === "deleting") return "none"; // finish-deletes is at it
  if (vm.epoch !== wanted.epoch) return vm.epoch < wanted.epoch ? "delete" : "none";
  switch (vm.state) {
    case "failed":
      return wanted.state === "failed" ? "none" : "fail";
    case "starting":
      return wanted.state === "failed" ? "delete" : "none";
    case "running":
      return wanted.state === "failed" ? "delete" : wanted.state === "lost" ? "recover" : "none";
    default:
      return vm.state satisfies never;
  }
}

/** Ours is gone and nobody here asked for it. */
function judgeVanished(wanted: WantedSandbox | undefined, vm: ReportedVm): Verdict {
  const ours = wanted?.hostId === vm.hostId && wanted.epoch === vm.epoch;
  return ours && (wanted.state === "running" || wanted.state === "lost") ? "fail" : "none";
}
