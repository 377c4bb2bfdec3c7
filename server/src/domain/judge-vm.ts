/** What the control plane makes of a VM that a host reports. The table is in docs/sandbox-life.md, "What the host says". */
import { isClaimed, type SandboxState, targetsOf } from "./sandbox-state.ts";

export interface WantedSandbox {
  readonly state: SandboxState;
  readonly epoch: bigint;
  readonly hostId: string | null;
  /** It moves to another host. */
  readonly transferred: boolean;
  /** The host that it is just being copied to, or is still to be removed from. */
  readonly otherHostId: string | null;
  readonly lifecycleVersion: number;
  /** It waits in a pool, or is just being claimed from one. */
  readonly ofPool: boolean;
}

export interface ReportedVm {
  readonly hostId: string;
  readonly epoch: bigint;
  readonly state: "starting" | "running" | "pausing" | "paused" | "resuming" | "failed" | "deleted";
  /** Its time was over, and it is to be deleted then. */
  readonly expired: boolean;
  /** It can't be woken there: it is, or was, on its way to another host. */
  readonly sealed: boolean;
  readonly lifecycleVersion: number;
}

/**
 * `fail` and `recover` move the sandbox. `stop`: it is deleted, and what it has on disk is kept for a time. `follow`: the host has paused or woken it by itself, or is ahead of an older
 * database; to be confirmed by a fresh look. `unseal`: it was to move to another host, and does no longer. `expire` deletes the sandbox, `delete` ends the VM, `none`: as it should be, or
 * another's work. `discard`: it can't wait in its pool any more. `disown`: it is not the pool's, but somebody's: the database
 * is an older one than the host. `unknown`: no row was ever written for it, so the database is an older one than the host; a person must
 * look, no loop destroys it.
 */
export type Verdict =
  | "none"
  | "delete"
  | "fail"
  | "recover"
  | "stop"
  | "follow"
  | "expire"
  | "unseal"
  | "discard"
  | "disown"
  | "unknown";

export function judgeVm(wanted: WantedSandbox | undefined, vm: ReportedVm): Verdict {
  if (vm.state === "deleted") return judgeVanished(wanted, vm);
  if (!wanted) return "unknown";
  if (wanted.hostId !== vm.hostId) return wanted.otherHostId === vm.hostId ? "none" : "delete";
  if (wanted.state === "deleted") return vm.state === "running" ? "stop" : "none"; // its tombstone
  if (wanted.state === "deleting") return "none"; // finish-deletes is at it
  if (wanted.ofPool) return judgePoolVm(wanted, vm);
  // Old news. Were it the truth, it would still be all that there is of this sandbox.
  if (vm.epoch < wanted.epoch) return "none";
  if (vm.epoch > wanted.epoch) return isClaimed(wanted.state) ? "none" : "follow";
  if (vm.sealed && !wanted.transferred) return "unseal";
  switch (vm.state) {
    case "failed":
      return targetsOf(wanted.state).includes("failed") ? "fail" : "none";
    case "running":
      return judgeRunning(wanted.state);
    case "paused":
      return judgePaused(wanted, vm);
    case "starting":
    case "pausing":
    case "resuming":
      return "none";
    default:
      return vm.state satisfies never;
  }
}

function judgeRunning(state: SandboxState): Verdict {
  if (state === "lost") return "recover";
  return state === "paused" || state === "failed" ? "follow" : "none";
}

function judgePaused({ state, lifecycleVersion }: WantedSandbox, vm: ReportedVm): Verdict {
  if (isClaimed(state)) return "none";
  // By an end that was put off since, nothing is deleted.
  if (vm.expired && vm.lifecycleVersion >= lifecycleVersion) return "expire";
  return targetsOf(state).includes("paused") ? "follow" : "none";
}

/** While it is filled or claimed, whoever does that sees for himself what becomes of it. */
function judgePoolVm({ state, epoch }: WantedSandbox, vm: ReportedVm): Verdict {
  if (state !== "pooled" || vm.epoch < epoch) return "none";
  if (vm.epoch > epoch) return "disown";
  return vm.state === "running" || vm.state === "starting" ? "none" : "discard"; // starting: old news by now
}

/** Ours is gone and nobody here asked for it. */
function judgeVanished(wanted: WantedSandbox | undefined, vm: ReportedVm): Verdict {
  const ours = wanted?.hostId === vm.hostId && wanted.epoch === vm.epoch;
  if (!ours || !isKeptByHost(wanted.state)) return "none";
  return wanted.state === "pooled" ? "discard" : "fail";
}

/** Its host must have it, whoever asks. */
export function isKeptByHost(state: SandboxState): boolean {
  return state === "pooled" || state === "running" || state === "lost" || state === "pausing" || state === "paused";
}
