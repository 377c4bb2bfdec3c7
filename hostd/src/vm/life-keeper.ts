/**
 * Pauses or ends VMs whose time is over, and pauses those that nobody uses: by what their records say, and so also while no
 * control plane answers.
 */
import { pauseVm } from "./pause-vm.ts";
import { stopVm } from "./stop-vm.ts";
import type { VmDeps } from "./vm-deps.ts";
import type { LiveVm, VmEntry } from "./vm-entry.ts";

/** Often enough to be within a second of the time. */
const everyMs = 250;
/** After a pause that failed, for want of disk for instance. */
const againMs = 30_000;

type Due = "delete" | "pause" | "pause for want of use";

interface Seen {
  /** Uses there had been, and when there was last one. */
  begun: number;
  usedAt: number;
  /** Something is done about it, or was in vain. */
  busy: boolean;
  notBefore: number;
}

export class LifeKeeper {
  readonly #deps: VmDeps;
  readonly #seen = new WeakMap<LiveVm, Seen>();

  constructor(deps: VmDeps) {
    this.#deps = deps;
  }

  /** Looks for as long as it is not disposed. */
  run(): Disposable {
    const timer = setInterval(() => void this.look(), everyMs).unref();
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  /** One look at every VM; resolves when what is due has been done. */
  async look(): Promise<void> {
    const { registry, lease } = this.#deps;
    if (lease.frozen) return;
    await Promise.all(registry.entries().map((entry) => this.#lookAt(entry)));
  }

  async #lookAt(entry: VmEntry): Promise<void> {
    const { live, sandboxId, record } = entry;
    if (!live) return;
    const seen = this.#seenOf(live, entry);
    const what = this.#due(entry, seen);
    if (!what || seen.busy || this.#now() < seen.notBefore) return;
    seen.busy = true;
    this.#deps.log.info("vm.due", { vm: sandboxId, epoch: record.epoch, what });
    try {
      await this.#end(entry, what, () => entry.live === live && this.#due(entry, seen) === what);
    } catch (error) {
      this.#deps.log.warn("vm.due.failed", { vm: sandboxId, what, error });
      seen.notBefore = this.#now() + againMs;
    } finally {
      seen.busy = false;
    }
  }

  async #end({ sandboxId, record: { epoch } }: VmEntry, what: Due, stillDue: () => boolean): Promise<void> {
    if (what === "delete") await stopVm(this.#deps, { sandboxId, epoch }, { expired: true, onlyIf: stillDue });
    else await pauseVm(this.#deps, sandboxId, epoch, { onlyIf: stillDue });
  }

  #due({ record, uses }: VmEntry, seen: Seen): Due | undefined {
    const { state, pool, lifecycle } = record;
    if (state !== "running" || pool === "standby" || !lifecycle) return undefined;
    const { endTime, deleteAtEnd, idleTimeoutMs } = lifecycle;
    const now = this.#now();
    if (endTime !== undefined && endTime <= now) return deleteAtEnd ? "delete" : "pause";
    if (uses.open > 0 || uses.begun !== seen.begun) {
      seen.begun = uses.begun;
      seen.usedAt = now;
    }
    if (idleTimeoutMs !== undefined && seen.usedAt + idleTimeoutMs <= now) return "pause for want of use";
    return undefined;
  }

  #seenOf(live: LiveVm, { uses }: VmEntry): Seen {
    const seen = this.#seen.get(live) ?? { begun: uses.begun, usedAt: this.#now(), busy: false, notBefore: 0 };
    this.#seen.set(live, seen);
    return seen;
  }

  #now(): number {
    return this.#deps.now().getTime();
  }
}
