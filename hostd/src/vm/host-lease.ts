/**
 * Until when the host's VMs may run. A control plane that can't reach the host starts them elsewhere once this is over, so
 * whoever has no lease any more stands still. Written down: a daemon that is started anew has no more than the former had.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { problem } from "@daytonah/lib/problem.ts";
import { writeDurably } from "../host/disk/durable.ts";

const file = "lease.json";

interface Kept {
  readonly formatVersion: 1;
  /** Milliseconds since 1970. */
  readonly until: number;
}

export class HostLease {
  readonly #dataDir: string;
  readonly #now: () => Date;
  /** Absent: nobody ever gave one, and VMs run without. */
  #until: number | undefined;
  /** By a clock that nobody sets. */
  #steadyUntil = Number.POSITIVE_INFINITY;
  #frozen = false;
  /** Of several control planes at once, one after the other. */
  #lastRenewal: Promise<unknown> = Promise.resolve();

  constructor(dataDir: string, now: () => Date) {
    this.#dataDir = dataDir;
    this.#now = now;
  }

  /** Reads what the former daemon had; one that can't be read is over. */
  async open(): Promise<void> {
    const text = await readFile(join(this.#dataDir, file), "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (text === undefined) return;
    this.#until = untilOf(text);
    this.#frozen = this.over;
  }

  get over(): boolean {
    if (this.#until === undefined) return false;
    return this.#now().getTime() >= this.#until || performance.now() >= this.#steadyUntil;
  }

  /** Its VMs stand still, or do so in a moment. */
  get frozen(): boolean {
    return this.#frozen;
  }

  /** Throws where no VM may begin to run, or be changed. */
  require(): void {
    if (!this.#frozen && !this.over) return;
    throw problem("HOST_UNAVAILABLE", "The host has lost its control plane, and lets no VM run.", {
      retryDelayMs: 1_000,
    });
  }

  /** What the lease says now becomes what the host does; whether that is another than before. */
  settle(): "frozen" | "thawed" | undefined {
    if (this.#frozen === this.over) return undefined;
    this.#frozen = this.over;
    return this.#frozen ? "frozen" : "thawed";
  }

  /** Written down before it counts. A shorter one than there is changes nothing: of several control planes the latest end counts. */
  renew(durationMs: number): Promise<void> {
    const renewal = this.#lastRenewal.then(() => this.#renew(durationMs));
    this.#lastRenewal = renewal.catch(() => undefined);
    return renewal;
  }

  async #renew(durationMs: number): Promise<void> {
    const until = Math.max(this.#now().getTime() + durationMs, this.over ? 0 : (this.#until ?? 0));
    await writeDurably(this.#dataDir, file, JSON.stringify({ formatVersion: 1, until } satisfies Kept));
    this.#until = until;
    this.#steadyUntil = performance.now() + until - this.#now().getTime();
  }
}

function untilOf(text: string): number {
  try {
    const { until } = JSON.parse(text) as Kept;
    return Number.isSafeInteger(until) ? until : 0;
  } catch {
    return 0;
  }
}
