/** What sandboxes are made of. */
import type { Sandbox as WireSandbox } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { SandboxState as WireState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import type { Client } from "./client.ts";
import { dateOf, type LowerName, lowerNameOf } from "./convert.ts";
import { type Lifecycle, lifecycleOf } from "./life/lifecycle.ts";
import type { ListOptions } from "./pages.ts";

/** Where a sandbox is in its life: "creating", "running", "failed" …; "unknown" is newer than this package. */
export type SandboxState = LowerName<typeof WireState>;

/** A sandbox as the platform describes it. */
export interface SandboxInfo {
  /** 20 of [a-z0-9]. */
  readonly id: string;
  /** Where it is in its life. */
  readonly state: SandboxState;
  /** Name of its template. */
  readonly template: string;
  /** Virtual CPUs. */
  readonly vcpus: number;
  /** Memory, MiB. */
  readonly memoryMib: number;
  /** Root disk, MiB. */
  readonly diskMib: number;
  /** Your labels. */
  readonly metadata: Readonly<Record<string, string>>;
  /** When it was asked for. */
  readonly createTime: Date;
  /** When its state last changed. */
  readonly stateTime: Date;
  /** Counts its starts, from 1. */
  readonly epoch: number;
  /** Why it failed; undefined in every other state. `reason` is the name of an {@link ErrorReason}. */
  readonly failure: { readonly reason: string; readonly message: string } | undefined;
  /** Host it is on; undefined where it is on none. */
  readonly hostId: string | undefined;
  /** False where the host emulates: such a sandbox is no security boundary. */
  readonly hardwareIsolated: boolean;
  /** Origin of its host's edge, which answers without a way through the control plane; undefined where there is none. */
  readonly directUrl: string | undefined;
  /** Ports whose addresses are open to everyone. */
  readonly publicPorts: readonly number[];
  /** When and how it ends or pauses by itself. */
  readonly lifecycle: Lifecycle;
  /** When `lifecycle.timeoutMs` is over; undefined where it has none, and while it is paused. */
  readonly endTime: Date | undefined;
  /** The sandbox it was forked from; undefined where it was not. */
  readonly parentId: string | undefined;
  /** The snapshot it was made from or last rolled back to; it may be deleted by now. */
  readonly snapshotId: string | undefined;
  /** While it is paused: whether it goes on where it was, or starts from its disk. */
  readonly memoryKept: boolean;
  /** For a deleted one: until when `Sandbox.undelete` works. */
  readonly purgeTime: Date | undefined;
}

/** Options of `Sandbox.create`. */
export interface CreateSandboxOptions {
  /** Name of a template; "base" where absent. */
  readonly template?: string | undefined;
  /** Goes on from this snapshot's memory and disk, as another machine; instead of a template, and with the snapshot's sizes. */
  readonly snapshotId?: string | undefined;
  /** Virtual CPUs, 1 to 64; 1 where absent. */
  readonly vcpus?: number | undefined;
  /** Memory, 128 to 262,144 MiB; 512 where absent. */
  readonly memoryMib?: number | undefined;
  /** Root disk, up to 1,048,576 MiB; the template's own size where absent, never less. */
  readonly diskMib?: number | undefined;
  /** Environment of every process. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Your labels, 64 at most, to find it by. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** When it ends or pauses by itself; never where absent. */
  readonly lifecycle?: Lifecycle | undefined;
  /** The same key again, within a day, gives the same sandbox. Also after a crash of the platform. Printable ASCII, 128 at most. */
  readonly idempotencyKey?: string | undefined;
  /** Aborting it gives the sandbox up: the platform deletes what it has of it, unless idempotencyKey is set. */
  readonly signal?: AbortSignal | undefined;
  /** Longest wait, milliseconds; 120,000 where absent. */
  readonly timeoutMs?: number | undefined;
  /** The client of the environment where absent. */
  readonly client?: Client | undefined;
}

/** Options of `Sandbox.list`. */
export interface ListSandboxesOptions extends ListOptions {
  /** Only these states; all but deleted where absent. */
  readonly states?: readonly Exclude<SandboxState, "unknown">[] | undefined;
  /** Only those with all of these labels. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** The client of the environment where absent. */
  readonly client?: Client | undefined;
}

/** Options of `Sandbox.connect`. */
export interface ConnectOptions {
  /**
   * The sandbox's own credential, `sandbox.accessToken` of whoever created it; then nothing is asked of the platform, and no
   * API key is needed for processes, files, ports, metrics and logs.
   */
  readonly accessToken?: string | undefined;
  /** Origin of its host's edge, `sandbox.directUrl` of whoever created it. Used with `accessToken` alone. */
  readonly directUrl?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The client of the environment where absent. */
  readonly client?: Client | undefined;
}

/** What to change of a sandbox's labels. */
export interface UpdateSandboxOptions {
  /** Labels to set; the others stay. All together at most 64. */
  readonly setMetadata?: Readonly<Record<string, string>> | undefined;
  /** Labels to take away, before `setMetadata` is set. */
  readonly removeMetadata?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export function sandboxInfoOf(sandbox: WireSandbox | undefined): SandboxInfo {
  if (!sandbox) throw new TypeError("The platform's answer lacks the sandbox.");
  const { resources, failure } = sandbox;
  return {
    id: sandbox.id,
    state: lowerNameOf(WireState, sandbox.state),
    template: sandbox.template,
    vcpus: resources?.vcpus ?? 0,
    memoryMib: resources?.memoryMib ?? 0,
    diskMib: resources?.diskMib ?? 0,
    metadata: sandbox.metadata,
    createTime: dateOf(sandbox.createTime),
    stateTime: dateOf(sandbox.stateTime),
    epoch: Number(sandbox.epoch),
    failure: failure && { reason: failure.reason, message: failure.message },
    hostId: sandbox.hostId || undefined,
    hardwareIsolated: sandbox.hardwareIsolated,
    directUrl: sandbox.directUrl || undefined,
    publicPorts: sandbox.publicPorts,
    lifecycle: lifecycleOf(sandbox.lifecycle),
    endTime: sandbox.endTime && dateOf(sandbox.endTime),
    parentId: sandbox.parentId || undefined,
    snapshotId: sandbox.snapshotId || undefined,
    memoryKept: sandbox.memoryKept,
    purgeTime: sandbox.purgeTime && dateOf(sandbox.purgeTime),
  };
}

export function wireStateOf(state: Exclude<SandboxState, "unknown">): WireState {
  return WireState[state.toUpperCase() as keyof typeof WireState];
}
