/** One VM in the registry: its record, and what lives of it. */
import { abortable } from "@daytonah/lib/deadline.ts";
import { type Problem, problem } from "@daytonah/lib/problem.ts";
import type { AgentClient } from "../guest/agent-client.ts";
import type { Vm } from "../vmm/vmm.ts";
import { AccessEnds } from "./access-ends.ts";
import type { VmMonitor } from "./monitor/vm-monitor.ts";
import { VmOperations } from "./vm-operations.ts";
import type { VmFailure, VmRecord } from "./vm-record.ts";
import { VmUses } from "./vm-uses.ts";

/** A VM whose agent answered. */
export interface LiveVm {
  readonly vm: Vm;
  readonly agent: AgentClient;
  /** Aborts when the VM ends, pauses or is about to be ended; its reason is the Problem for calls under way. */
  readonly ended: AbortController;
  readonly monitor: VmMonitor;
}

export interface UseOptions {
  /** A pause waits for its end. */
  readonly brief: boolean;
  /** Called where it is paused: wakes it, or throws. Absent: waits until somebody resumes it. */
  readonly whenPaused?: () => Promise<unknown>;
}

export interface VmUse extends Disposable {
  readonly live: LiveVm;
}

export class VmEntry {
  readonly sandboxId: string;
  /** The registry alone changes it. */
  record: VmRecord;
  readonly operations = new VmOperations();
  readonly uses = new VmUses();
  /** It stands still, since the host has no lease. */
  frozen?: { readonly live: LiveVm; readonly hold: Disposable };
  deletion?: Promise<void>;
  readonly accessEnds = new AccessEnds();
  /** Changes of the record happen one after the other. */
  lastChange: Promise<unknown> = Promise.resolve();
  /** It was given memory that its record does not say it has, yet. */
  takesRoom = false;
  #live: LiveVm | undefined;
  /** Known before the record can say that it failed. */
  #died: Problem | undefined;
  #holds = 0;
  #changed = Promise.withResolvers<void>();

  constructor(record: VmRecord) {
    this.sandboxId = record.sandboxId;
    this.record = record;
  }

  get live(): LiveVm | undefined {
    return this.#live;
  }

  goLive(live: LiveVm): void {
    this.#live = live;
    this.#died = undefined;
    this.changed();
  }

  /** Ends the calls on it. Whoever ends a VM on purpose does this first: its exit is no news then. */
  endLive(reason: Problem): LiveVm | undefined {
    const live = this.#live;
    this.#live = undefined;
    live?.ended.abort(reason);
    return live;
  }

  /** There is nothing to wait for: it ended by itself, or is on another host. */
  die(reason: Problem): void {
    this.#died = reason;
    this.endLive(reason);
    this.changed();
  }

  /** While this is held the guest stands still, or its connections are about to break. */
  hold(): Disposable {
    this.#holds += 1;
    return {
      [Symbol.dispose]: () => {
        this.#holds -= 1;
        this.changed();
      },
    };
  }

  get held(): boolean {
    return this.#holds > 0;
  }

  /**
   * The live VM for one call to its guest, as soon as that answers: at once, or after a pause, a snapshot, a resume. The
   * caller disposes it when its call is over. Rejects when the VM failed or is deleted.
   */
  async use(signal: AbortSignal, { brief, whenPaused }: UseOptions): Promise<VmUse> {
    for (;;) {
      signal.throwIfAborted();
      this.requireLasting();
      const live = this.#live;
      if (live && !this.held) {
        const use = this.uses.begin(brief);
        return { live, [Symbol.dispose]: () => use[Symbol.dispose]() };
      }
      await abortable(whenPaused && this.#mayWake() ? whenPaused() : this.#changed.promise, signal);
    }
  }

  /** Not one that is being handed to another host: who calls it waits for what comes of that. */
  #mayWake(): boolean {
    return this.record.state === "paused" && !this.record.sealed;
  }

  /** Throws where it does not come back by itself. */
  requireLasting(): void {
    if (this.#died) throw this.#died;
    if (this.record.state === "failed") throw failureProblem(this.record.failure);
    if (this.record.state === "deleting" || this.deletion) throw deletedMeanwhile(this.sandboxId);
  }

  /** Resolves at the next change of what it is or does. */
  nextChange(): Promise<void> {
    return this.#changed.promise;
  }

  /** Tells those who wait for it to be live. */
  changed(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

export function failureProblem(failure: VmFailure): Problem {
  return problem(failure.reason, failure.message, { metadata: failure.metadata });
}

export function deletedMeanwhile(sandboxId: string): Problem {
  return problem("SANDBOX_STATE_CONFLICT", "The sandbox was deleted while the call ran.", {
    metadata: { sandbox_id: sandboxId, state: "deleting" },
  });
}

/** Another try finds it where it is now. */
export function movedMeanwhile(sandboxId: string): Problem {
  return problem("HOST_UNAVAILABLE", "The sandbox was moved to another host while the call ran.", {
    metadata: { sandbox_id: sandboxId, state: "moved" },
    retryDelayMs: 100,
  });
}

/** For calls to a sandbox that nobody wakes for them. */
export function sandboxPaused(sandboxId: string): Problem {
  return problem("SANDBOX_PAUSED", "The sandbox is paused.", {
    metadata: { sandbox_id: sandboxId, state: "paused" },
  });
}
