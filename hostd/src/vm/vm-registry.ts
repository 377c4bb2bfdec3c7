/**
 * All VMs of the host: their records, who may change them, and who is told. A change is compare-and-set on the state,
 * written to disk before it is seen.
 */
import { problem } from "@daytonah/lib/problem.ts";
import type { AgentClient } from "../guest/agent-client.ts";
import type { Vm } from "../vmm/vmm.ts";
import { AccessEnds } from "./access-ends.ts";
import type { VmMonitor } from "./monitor/vm-monitor.ts";
import {
  planOf,
  transitions,
  type VmAccess,
  type VmCondition,
  type VmPlan,
  type VmRecord,
  type VmState,
} from "./vm-record.ts";
import type { VmStore } from "./vm-store.ts";

/** A VM whose agent answered. */
export interface LiveVm {
  readonly vm: Vm;
  readonly agent: AgentClient;
  /** Aborts when the VM ends or is about to be ended; its reason is the Problem for calls under way. */
  readonly ended: AbortController;
  readonly monitor: VmMonitor;
}

export interface VmEntry {
  readonly sandboxId: string;
  readonly record: VmRecord;
  live?: LiveVm;
  /** The start under way, or its result. */
  start?: { readonly result: Promise<VmRecord>; readonly abort: AbortController };
  deletion?: Promise<void>;
  readonly accessEnds: AccessEnds;
}

interface OwnEntry extends VmEntry {
  record: VmRecord;
  /** Changes of one record happen one after the other. */
  lastChange: Promise<unknown>;
}

/** What a watcher is told of a VM. */
export type VmChange = { readonly record: VmRecord; readonly gone: boolean };

export class VmRegistry {
  readonly #store: VmStore;
  readonly #slots: number;
  readonly #entries = new Map<string, OwnEntry>();
  readonly #watchers = new Set<(change: VmChange) => void>();
  readonly #withheld = new Set<number>();

  constructor(store: VmStore, slots: number) {
    this.#store = store;
    this.#slots = slots;
  }

  get(sandboxId: string): VmEntry | undefined {
    return this.#entries.get(sandboxId);
  }

  entries(): VmEntry[] {
    return [...this.#entries.values()].sort((a, b) => (a.sandboxId < b.sandboxId ? -1 : 1));
  }

  /** Takes up a record that is on disk. */
  restore(record: VmRecord): VmEntry {
    const entry: OwnEntry = {
      ...{ sandboxId: record.sandboxId, record },
      ...{ accessEnds: new AccessEnds(), lastChange: Promise.resolve() },
    };
    this.#entries.set(record.sandboxId, entry);
    return entry;
  }

  /** Gives this slot to nobody: what it belongs to can't be read. */
  withhold(slot: number): void {
    this.#withheld.add(slot);
  }

  withheld(): ReadonlySet<number> {
    return this.#withheld;
  }

  /** Takes the sandbox's id and a slot at once, before anything waits; `persist` writes the record. */
  reserve(plan: Omit<VmPlan, "slot" | "formatVersion"> & { readonly access?: VmAccess }): VmEntry {
    if (this.#entries.has(plan.sandboxId)) throw conflict(plan.sandboxId, "it has a VM");
    const taken = new Set([...this.#withheld, ...[...this.#entries.values()].map(({ record }) => record.slot)]);
    let slot = 0;
    while (taken.has(slot)) slot += 1;
    if (slot >= this.#slots) {
      throw problem("NO_CAPACITY", `The host has ${this.#slots} VMs already.`, { retryDelayMs: 5_000 });
    }
    return this.restore({ formatVersion: 1, ...plan, slot, state: "starting" });
  }

  async persist(entry: VmEntry): Promise<void> {
    await this.#change(entry, async () => this.#store.write(entry.record));
    this.#publish({ record: entry.record, gone: false });
  }

  /** Moves a VM on, where its state allows it; throws SANDBOX_STATE_CONFLICT where another change came first. */
  async move(entry: VmEntry, condition: VmCondition): Promise<VmRecord> {
    return this.#change(entry, async (own) => {
      if (!transitions[own.record.state].includes(condition.state)) {
        throw conflict(own.sandboxId, `it is ${own.record.state}`, own.record.state);
      }
      const record = { ...planOf(own.record), ...condition };
      await this.#store.write(record);
      own.record = record;
      this.#publish({ record, gone: false });
      return record;
    });
  }

  /** Changes who may reach it; an access no newer than the present one changes nothing. */
  async setAccess(entry: VmEntry, access: VmAccess): Promise<void> {
    await this.#change(entry, async (own) => {
      const before = own.record.access;
      if (before && before.version >= access.version) return;
      const record = { ...own.record, access };
      await this.#store.write(record);
      own.record = record;
      own.accessEnds.changed(before, access);
      this.#publish({ record, gone: false });
    });
  }

  /** The last change: its files are gone, its slot is free. */
  forget(entry: VmEntry): void {
    if (this.#entries.get(entry.sandboxId) !== entry) return;
    this.#entries.delete(entry.sandboxId);
    this.#publish({ record: entry.record, gone: true });
  }

  /**
   * Every VM, then `synced`, then each change; `idle` after `idleMs` without one. What a slow reader has not taken is
   * kept as the latest state of each VM, not as a list of all that happened.
   */
  async *watch(options: { readonly signal: AbortSignal; readonly idleMs: number }) {
    const pending = new Map<string, VmChange>();
    let wake: (() => void) | undefined;
    const watcher = (change: VmChange) => {
      pending.set(change.record.sandboxId, change);
      wake?.();
    };
    const onAbort = () => wake?.();
    this.#watchers.add(watcher);
    options.signal.addEventListener("abort", onAbort);
    try {
      for (const { record } of this.entries()) yield { t: "vm" as const, record, gone: false };
      yield { t: "synced" as const };
      while (!options.signal.aborted) {
        const next = pending.values().next().value;
        if (next) {
          pending.delete(next.record.sandboxId);
          yield { t: "vm" as const, ...next };
          continue;
        }
        let timer: NodeJS.Timeout | undefined;
        const changed = await new Promise<boolean>((resolve) => {
          wake = () => resolve(true);
          timer = setTimeout(() => resolve(false), options.idleMs);
        });
        clearTimeout(timer);
        wake = undefined;
        if (!changed) yield { t: "idle" as const };
      }
    } finally {
      this.#watchers.delete(watcher);
      options.signal.removeEventListener("abort", onAbort);
    }
  }

  async #change<T>(entry: VmEntry, change: (own: OwnEntry) => Promise<T>): Promise<T> {
    const own = this.#entries.get(entry.sandboxId);
    if (!own || own !== entry) throw conflict(entry.sandboxId, "it is gone", "deleted");
    const changed = own.lastChange.then(() => change(own));
    own.lastChange = changed.catch(() => undefined);
    return changed;
  }

  #publish(change: VmChange): void {
    for (const watcher of this.#watchers) watcher(change);
  }
}

function conflict(sandboxId: string, why: string, state: VmState | "deleted" = "running") {
  return problem("SANDBOX_STATE_CONFLICT", `The VM of ${sandboxId} can't be changed so: ${why}.`, {
    metadata: { sandbox_id: sandboxId, state },
  });
}
