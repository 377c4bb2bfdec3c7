/** What this host hands over, and takes in: of each sandbox and snapshot one arrival at a time. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { abortable } from "@daytonah/lib/deadline.ts";
import type { CommandReading } from "../host/read-command.ts";

interface UnderWay {
  readonly id: string;
  readonly epoch: number;
  readonly ending: AbortController;
  /** Resolves when it touches no file any more. */
  readonly over: Promise<unknown>;
}

export interface MoveKey {
  readonly id: string;
  /** 0 for a snapshot. */
  readonly epoch: number;
}

export class Moves {
  readonly #dir: string;
  readonly #underWay = new Set<UnderWay>();
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(dataDir: string) {
    this.#dir = join(dataDir, "moves");
  }

  /** Removes halves. */
  async open(): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true });
    await mkdir(this.#dir, { mode: 0o700 });
  }

  /** A folder where a sandbox that arrives is put together; goes with the disposal, if it has no place by then. */
  async makeDraft(sandboxId: string): Promise<{ readonly dir: string } & AsyncDisposable> {
    const dir = join(this.#dir, sandboxId);
    const remove = () => rm(dir, { recursive: true, force: true });
    await remove(); // where it could not be removed before
    await mkdir(dir, { mode: 0o711 }); // the VM's own user passes through to its disk
    return { dir, [Symbol.asyncDispose]: remove };
  }

  /** `pack` begins the reading. The signal it is given aborts with the caller's, or when this is ended from here. */
  async depart(
    key: MoveKey,
    signal: AbortSignal,
    pack: (signal: AbortSignal) => Promise<CommandReading>,
  ): Promise<{
    readonly output: AsyncIterable<Uint8Array>;
    readonly ended: Promise<void>;
    readonly signal: AbortSignal;
  }> {
    const ending = new AbortController();
    const both = AbortSignal.any([signal, ending.signal]);
    const packing = pack(both);
    const over = packing.then(({ ended }) => ended).catch(() => undefined);
    this.#track({ ...key, ending, over });
    return { ...(await packing), signal: both };
  }

  /** Waits for the one before it, which may have brought all there is to bring. */
  async arrive(key: MoveKey, signal: AbortSignal, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const ending = new AbortController();
    const both = AbortSignal.any([signal, ending.signal]);
    const before = this.#last.get(key.id) ?? Promise.resolve();
    const over = before.then(async () => {
      both.throwIfAborted();
      await work(both);
    });
    const last = over
      .catch(() => undefined)
      .then(() => {
        if (this.#last.get(key.id) === last) this.#last.delete(key.id);
      });
    this.#last.set(key.id, last);
    this.#track({ ...key, ending, over: last });
    await abortable(over, signal);
  }

  /** Ends what is under way with it up to this epoch; resolves when that touches no file any more. */
  async end({ id, epoch }: MoveKey, reason: Error): Promise<void> {
    const ended = [...this.#underWay].filter((move) => move.id === id && move.epoch <= epoch);
    for (const { ending } of ended) ending.abort(reason);
    await Promise.all(ended.map(({ over }) => over));
  }

  #track(move: UnderWay): void {
    this.#underWay.add(move);
    void move.over.then(() => this.#underWay.delete(move));
  }
}
