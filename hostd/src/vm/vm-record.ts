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

/** Who may reach a VM at the edge. Bytes are hex. */
export interface VmAccess {
  /** Counts the changes. */
  readonly version: number;
  /** Counts the access tokens. */
  readonly tokenGeneration: number;
  readonly tokenSha256: string;
  /** Of port tokens and signed file addresses. */
  readonly signingKey: string;
  readonly publicPorts: readonly number[];
}

/** Without `access` nobody may. */
export type VmRecord = VmPlan & VmCondition & { readonly access?: VmAccess };

/** All but its condition. */
export function planOf(record: VmRecord): VmPlan & { readonly access?: VmAccess } {
  const { formatVersion, sandboxId, epoch, slot, vcpus, memoryMib, diskMib, template, images, access } = record;
  const plan = { formatVersion, sandboxId, epoch, slot, vcpus, memoryMib, diskMib, template, images };
  return { ...plan, ...(access ? { access } : {}) };
}

/** Reads a record that this release or an older one wrote; throws where it is none. */
export function readRecord(text: string, sandboxId: string): VmRecord {
  const record = JSON.parse(text) as VmRecord;
  const sound =
    record.formatVersion === 1 &&
    record.sandboxId === sandboxId &&
    record.state in transitions &&
    [record.epoch, record.slot, record.vcpus, record.memoryMib, record.diskMib].every(Number.isSafeInteger) &&
    (record.access === undefined || isAccess(record.access));
  if (!sound) throw new Error(`vm.json of ${sandboxId} is no record of this release`);
  return record;
}

function isAccess({ version, tokenGeneration, tokenSha256, signingKey, publicPorts }: VmAccess): boolean {
  const counts = [version, tokenGeneration, ...publicPorts].every(Number.isSafeInteger);
  return counts && [tokenSha256, signingKey].every((hex) => /^[0-9a-f]{64}$/.test(hex));
}
