/** What a host writes down about one VM, and how that may change. `docs/hostd-life.md` tells the story. */
import type { ReasonName } from "@daytonah/lib/problem-reasons.ts";
import type { VmHandle } from "../vmm/vmm.ts";

export type VmState = "starting" | "running" | "pausing" | "paused" | "resuming" | "failed" | "deleting";

/** State -> what it goes to. A VM that is gone has no record, but a tombstone. */
export const transitions: Readonly<Record<VmState, readonly VmState[]>> = {
  starting: ["running", "failed", "deleting"],
  running: ["pausing", "paused", "failed", "deleting"],
  pausing: ["running", "paused", "failed", "deleting"],
  paused: ["paused", "resuming", "deleting"],
  resuming: ["resuming", "running", "paused", "failed", "deleting"],
  failed: ["paused", "resuming", "deleting"],
  deleting: [],
};

export interface VmFailure {
  readonly reason: ReasonName;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface StageTime {
  readonly stage:
    | "disk"
    | "vmm"
    | "restore"
    | "agent"
    | "personalize"
    | "hooks"
    | "quiesce"
    | "stop"
    | "memory"
    | "window";
  readonly ms: number;
}

/** sha256 of the images a VM was started from: kept as long as what names them is. */
export interface VmImages {
  readonly kernel: string;
  readonly initramfs: string;
  readonly moduleDisk: string;
  readonly root: string;
}

export interface VmSizes {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
}

/** What a VM is, whatever it does now. */
export interface VmPlan extends VmSizes {
  readonly formatVersion: 1;
  readonly sandboxId: string;
  /** Raised by each start that the control plane commands. */
  readonly epoch: number;
  /** How often its host woke it by itself under this epoch. */
  readonly wakes?: number;
  /** Its place among the host's VMs: gives its uid and its run directory, to it alone. */
  readonly slot: number;
  readonly template: string;
  readonly images: VmImages;
  /** The snapshot it was started from. */
  readonly snapshotId?: string;
  /** Of every process, for a boot from its disk. A guest's memory on the same disk has it too. */
  readonly env?: Readonly<Record<string, string>>;
  /** Without it nobody may reach the VM at the edge. */
  readonly access?: VmAccess;
  readonly lifecycle?: VmLifecycle;
  /** Of a pool: "standby" until it is claimed. */
  readonly pool?: "standby" | "claimed";
}

/** What tells whether a disk was written to. */
export interface DiskStamp {
  readonly mtimeNs: string;
  readonly sizeBytes: number;
}

export interface PausedCondition {
  readonly state: "paused";
  /** Present where memory is kept, which fits the disk as long as the disk has this stamp. */
  readonly memory?: DiskStamp;
  /** The snapshot it goes back to, until it runs; `applied`: its files have taken their places. */
  readonly rollBack?: { readonly snapshotId: string; readonly memory: boolean; readonly applied: boolean };
  /** It is being handed to another host, and not woken here. */
  readonly sealed?: true;
  /** Its time was over, and it is the control plane's to delete. */
  readonly expired?: true;
}

export interface FailedCondition {
  readonly state: "failed";
  readonly failure: VmFailure;
}

export type VmCondition =
  | { readonly state: "starting" }
  | { readonly state: "running"; readonly handle: VmHandle; readonly stages: readonly StageTime[] }
  | { readonly state: "pausing"; readonly handle: VmHandle }
  | PausedCondition
  | {
      readonly state: "resuming";
      /** What it is again where it can't be resumed. */
      readonly before: PausedCondition | FailedCondition;
      readonly epochBefore: number;
      /** As soon as its VMM runs. */
      readonly handle?: VmHandle;
    }
  | FailedCondition
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

/** When a VM ends or pauses by itself. */
export interface VmLifecycle {
  /** Counts the changes. */
  readonly version: number;
  /** Milliseconds since 1970, while it runs. */
  readonly endTime?: number;
  /** What was left of its time when it stopped. */
  readonly leftMs?: number;
  /** Its time after each wake. */
  readonly timeoutMs?: number;
  readonly deleteAtEnd: boolean;
  readonly idleTimeoutMs?: number;
  readonly autoResume: boolean;
}

export type VmRecord = VmPlan & VmCondition;

/** All but its condition. */
export function planOf(record: VmRecord): VmPlan {
  const { formatVersion, sandboxId, epoch, slot, vcpus, memoryMib, diskMib, template, images } = record;
  const { wakes, snapshotId, env, access, lifecycle, pool } = record;
  return {
    ...{ formatVersion, sandboxId, epoch, slot, vcpus, memoryMib, diskMib, template, images },
    ...(wakes === undefined ? {} : { wakes }),
    ...(snapshotId === undefined ? {} : { snapshotId }),
    ...(env ? { env } : {}),
    ...(access ? { access } : {}),
    ...(lifecycle ? { lifecycle } : {}),
    ...(pool ? { pool } : {}),
  };
}

/** What it is when it comes to rest as it was, with or without its memory. */
export function conditionOf(
  record: PausedCondition | FailedCondition,
  memoryKept: boolean,
): PausedCondition | FailedCondition {
  if (record.state === "failed") return { state: "failed", failure: record.failure };
  const { memory, rollBack, expired } = record;
  return {
    state: "paused",
    ...(memory && memoryKept ? { memory } : {}),
    ...(rollBack ? { rollBack } : {}),
    ...(expired ? { expired } : {}),
  };
}

/** Reads a record that this release or an older one wrote; throws where it is none. */
export function readRecord(text: string, sandboxId: string): VmRecord {
  const record = JSON.parse(text) as VmRecord;
  const sound =
    record.formatVersion === 1 &&
    record.sandboxId === sandboxId &&
    record.state in transitions &&
    [record.epoch, record.slot, record.vcpus, record.memoryMib, record.diskMib].every(Number.isSafeInteger) &&
    (record.access === undefined || isAccess(record.access)) &&
    (record.lifecycle === undefined || Number.isSafeInteger(record.lifecycle.version));
  if (!sound) throw new Error(`vm.json of ${sandboxId} is no record of this release`);
  return record;
}

function isAccess({ version, tokenGeneration, tokenSha256, signingKey, publicPorts }: VmAccess): boolean {
  const counts = [version, tokenGeneration, ...publicPorts].every(Number.isSafeInteger);
  return counts && [tokenSha256, signingKey].every((hex) => /^[0-9a-f]{64}$/.test(hex));
}
