/** What a host writes down about one VM, and how that may change. `docs/hostd-life.md` tells the story. */
import type { ReasonName } from "@daytonah/lib/problem-reasons.ts";
import type { VmHandle } from "../vmm/vmm.ts";

export type VmState = "starting" | "running" | "failed" | "deleting";

/** State -> what it goes to. A VM that is gone has no record, but a tombstone. */
export const transitions: Readonly<Record<VmState, readonly VmState[]>> = {
  starting: ["running", "failed", "deleting"],
  running: ["failed", "deleting"],
  failed: ["deleting"],
  deleting: [],
};

export interface VmFailure {
  readonly reason: ReasonName;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface StageTime {
  readonly stage: "disk" | "vmm" | "agent" | "personalize";
  readonly ms: number;
}

/** What never changes between start and delete. */
export interface VmPlan {
  readonly formatVersion: 1;
  readonly sandboxId: string;
  readonly epoch: number;
  /** Its place among the host's VMs: gives its uid and its run directory, to it alone. */
  readonly slot: number;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
  readonly template: string;
  /** sha256 of the images it was started from: kept as long as this record is. */
  readonly images: {
    readonly kernel: string;
    readonly initramfs: string;
    readonly moduleDisk: string;
    readonly root: string;
  };
}

export type VmCondition =
  | { readonly state: "starting" }
  | { readonly state: "running"; readonly handle: VmHandle; readonly stages: readonly StageTime[] }
  | { readonly state: "failed"; readonly failure: VmFailure }
  | { readonly state: "deleting" };

export type VmRecord = VmPlan & VmCondition;

export function planOf(record: VmRecord): VmPlan {
  const { formatVersion, sandboxId, epoch, slot, vcpus, memoryMib, diskMib, template, images } = record;
  return { formatVersion, sandboxId, epoch, slot, vcpus, memoryMib, diskMib, template, images };
}

/** Reads a record that this release or an older one wrote; throws where it is none. */
export function readRecord(text: string, sandboxId: string): VmRecord {
  const record = JSON.parse(text) as VmRecord;
  const sound =
    record.formatVersion === 1 &&
    record.sandboxId === sandboxId &&
    record.state in transitions &&
    [record.epoch, record.slot, record.vcpus, record.memoryMib, record.diskMib].every(Number.isSafeInteger);
  if (!sound) throw new Error(`vm.json of ${sandboxId} is no record of this release`);
  return record;
}
