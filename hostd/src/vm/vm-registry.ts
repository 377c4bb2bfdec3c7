/**
 * All VMs of the host: their records, who may change them, and who is told. A change is compare-and-set on the state,
 * written to disk before it is seen.
 */
import { problem } from "@daytonah/lib/problem.ts";
import { holdsRoom } from "./capacity.ts";
import { startClock, stopClock } from "./life-clock.ts";
import { VmEntry } from "./vm-entry.ts";
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

/** What a watcher is told of a VM. */
export type VmChange = { readonly record: VmRecord; readonly gone: boolean };

export class VmRegistry {
  readonly #store: VmStore;
  readonly #slots: number;
  readonly #now: () => Date;
  readonly #entries = new Map<string, VmEntry>();
  readonly #watchers = new Set<(change: VmChange) => void>();
  readonly #withheld = new Set<number>();

  constructor(store: VmStore, slots: number, now: () => Date) {
    this.#store = store;
    this.#slots = slots;
    this.#now = now;
  }

  get(sandboxId: string): VmEntry | undefined {
    return this.#entries.get(sandboxId);
  }

  entries(): VmEntry[] {
    return [...this.#entries.values()].sort((a, b) => (a.sandboxId < b.sandboxId ? -1 : 1));
  }

  /** Those whose VM takes memory and processors, or is about to. */
  roomTakers(): VmRecord[] {
    return this.entries().flatMap(({ record, takesRoom }) => (takesRoom || holdsRoom(record) ? [record] : []));
  }

  /** Takes up a record that is on disk. */
  restore(record: VmRecord): VmEntry {
    const entry = new VmEntry(record);
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
  reserve(plan: Omit<VmPlan, "slot" | "formatVersion">, condition: VmCondition = { state: "starting" }): VmEntry {
    if (this.#entries.has(plan.sandboxId)) throw conflict(plan.sandboxId, "it has a VM");
    const taken = new Set([...this.#withheld, ...[...this.#entries.values()].map(({ record }) => record.slot)]);
    let slot = 0;
    while (taken.has(slot)) slot += 1;
    if (slot >= this.#slots) {
      const cause = new Error(`all ${this.#slots} slots are taken`);
      throw problem("NO_CAPACITY", "The host has no room for one more VM.", { retryDelayMs: 5_000, cause });
    }
    return this.restore({ formatVersion: 1, ...plan, slot, ...condition });
  }

  /** `write`: how, where it is not as any other. */
  async persist(entry: VmEntry, write = () => this.#store.write(entry.record)): Promise<void> {
    await this.#change(entry, write);
    this.#publish({ record: entry.record, gone: false });
  }

  /** Moves a VM on, where its state allows it; throws SANDBOX_STATE_CONFLICT where another change came first. */
  async move(entry: VmEntry, condition: VmCondition, plan: Partial<VmPlan> = {}): Promise<VmRecord> {
    return this.#change(entry, async () => {
      const { record } = entry;
      if (!transitions[record.state].includes(condition.state)) {
        throw conflict(entry.sandboxId, `it is ${record.state}`, record.state);
      }
      return this.#write(entry, {
        ...planOf(record),
        ...plan,
        ...this.#lifeClock({ ...record, ...plan }, record.state, condition.state),
        ...condition,
      });
    });
  }

  /** Changes what is known of a VM, and not what it does. `amend` sees the newest record; undefined changes nothing. */
  async amend(entry: VmEntry, amend: (record: VmRecord) => VmRecord | undefined): Promise<VmRecord> {
    return this.#change(entry, async () => {
      const record = amend(entry.record);
      return record ? this.#write(entry, record) : entry.record;
    });
  }

  /** Changes who may reach it; an access no newer than the present one changes nothing. */
  async setAccess(entry: VmEntry, access: VmAccess): Promise<void> {
    await this.amend(entry, (record) =>
      record.access && record.access.version >= access.version ? undefined : { ...record, access },
    );
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

  #lifeClock({ lifecycle }: VmPlan, from: VmState, to: VmState): Partial<VmPlan> {
    if (!lifecycle) return {};
    if (to === "running") return { lifecycle: startClock(lifecycle, this.#now(), from !== "pausing") };
    return to === "pausing" || to === "paused" ? { lifecycle: stopClock(lifecycle, this.#now()) } : {};
  }

  async #change<T>(entry: VmEntry, change: () => Promise<T>): Promise<T> {
    if (this.#entries.get(entry.sandboxId) !== entry) throw conflict(entry.sandboxId, "it is gone", "deleted");
    const changed = entry.lastChange.then(change);
    entry.lastChange = changed.catch(() => undefined);
    return changed;
  }

  /** On disk first, then for everybody to see. */
  async #write(entry: VmEntry, record: VmRecord): Promise<VmRecord> {
    await this.#store.write(record);
    const before = entry.record.access;
    entry.record = record;
    if (record.access && record.access !== before) entry.accessEnds.changed(before, record.access);
    entry.changed();
    this.#publish({ record, gone: false });
    return record;
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
