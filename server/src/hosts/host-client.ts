/** The port to one host's daemon: the calls of daytonah.host.v1 that the control plane makes. */

import type { Readable } from "node:stream";
import type {
  ClaimVmResponse,
  GetHostResponse,
  PauseVmResponse,
  ResumeVmResponse,
  RollBackVmResponse,
  SnapshotVmResponse,
  StartVmResponse,
  Vm,
  VmSnapshot,
  WatchVmsResponse,
} from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import type { VmLifecycle } from "../domain/lifecycle.ts";
import type { VmAccess } from "../domain/vm-access.ts";

export interface HostClient {
  readonly hostId: string;
  getHost(options: CallOptions): Promise<GetHostResponse>;
  /** Idempotent by id and epoch. A Problem where the host answered; HOST_UNAVAILABLE where nobody knows what it did. */
  startVm(spec: VmSpec, options: CallOptions): Promise<StartVmResponse>;
  /** Idempotent, also for a VM that never was. Resolves when nothing is left of it. */
  deleteVm(id: VmId, options: CallOptions): Promise<void>;
  /** Idempotent by version: a lower one than the host's changes nothing. */
  setVmAccess(id: VmId & { readonly access: VmAccess }, options: CallOptions): Promise<void>;
  /** The same for when it ends. */
  setVmLifecycle(id: VmId & { readonly lifecycle: VmLifecycle }, options: CallOptions): Promise<void>;
  /** Idempotent by id and epoch. Where the host refuses, the VM runs on. */
  pauseVm(id: VmId, options: CallOptions): Promise<PauseVmResponse>;
  /** Ends it and keeps what it has on disk. Idempotent; undefined where the host has no such VM. */
  stopVm(id: VmId, options: CallOptions): Promise<Vm | undefined>;
  /** With a higher epoch than the VM's. Idempotent by id and epoch. Where the host refuses, the VM is as it was. */
  resumeVm(plan: ResumePlan, options: CallOptions): Promise<ResumeVmResponse>;
  /** Idempotent by snapshotId. The VM is as it was then, also where the host refuses. */
  snapshotVm(id: VmId & { readonly snapshotId: string }, options: CallOptions): Promise<SnapshotVmResponse>;
  /** With a higher epoch than the VM's. Idempotent by id and epoch. Until the snapshot is copied the VM is as it was. */
  rollBackVm(plan: ResumePlan & { readonly snapshotId: string }, options: CallOptions): Promise<RollBackVmResponse>;
  /** Idempotent, also for a snapshot that never was. */
  deleteVmSnapshot(snapshotId: string, options: CallOptions): Promise<void>;
  listVmSnapshots(options: CallOptions): Promise<readonly VmSnapshot[]>;
  /** Gives a standby VM to its owner, with a higher epoch. Idempotent by id and epoch. */
  claimVm(plan: ClaimPlan, options: CallOptions): Promise<ClaimVmResponse>;
  /** From then on a PAUSED VM is not woken there. Idempotent. */
  sealVm(id: VmId, options: CallOptions): Promise<void>;
  /** It may be woken there again. Idempotent. */
  unsealVm(id: VmId, options: CallOptions): Promise<void>;
  /** What there is of a sealed VM, or of a snapshot. Where it breaks off, the stream ends with an error. */
  readCopy(copy: CopyId, options: CallOptions): Promise<Readable>;
  /** Writes that to this host: a VM has this epoch there, and is sealed. Idempotent; resolves when it is durable. */
  writeCopy(copy: CopyId, bytes: Readable, options: CallOptions): Promise<void>;
  /** From now on. Of several the latest end counts. */
  renewLease(ms: number, options: CallOptions): Promise<void>;
  /** PKCS #10, DER, for a key that the host makes and keeps. */
  requestCertificate(options: CallOptions): Promise<Uint8Array>;
  /** PEM, for the key of the last request. */
  installCertificate(certificate: string, options: CallOptions): Promise<void>;
  /** What there is now. */
  listVms(options: CallOptions): Promise<readonly Vm[]>;
  /** Every VM, `synced`, then changes; ends or throws when the host is gone. */
  watchVms(options: CallOptions): AsyncIterable<WatchVmsResponse>;
}

export interface VmId {
  readonly sandboxId: string;
  readonly epoch: bigint;
}

/** What is copied from host to host. */
export type CopyId = VmId | { readonly snapshotId: string };

export interface VmSpec extends VmId {
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
  readonly env: Readonly<Record<string, string>>;
  /** Of a VM for a pool neither is said: nobody may reach it, and it never ends. */
  readonly access?: VmAccess;
  readonly lifecycle?: VmLifecycle;
  /** For a pool: nobody's yet, kept warm until it is claimed. */
  readonly standby?: boolean;
  /** What it starts from; empty: its template. */
  readonly snapshotId: string;
}

export interface ResumePlan extends VmId {
  readonly access: VmAccess;
  readonly lifecycle: VmLifecycle;
}

export interface ClaimPlan extends ResumePlan {
  readonly env: Readonly<Record<string, string>>;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly requestId?: string;
}

/** The hosts we know, by id. */
export interface HostClients {
  get(hostId: string): HostClient | undefined;
}
