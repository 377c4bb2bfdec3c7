/** Who uses a VM: the calls, streams and connections that are open to its guest. */
import { abortable } from "@daytonah/lib/deadline.ts";
import { sleep } from "@daytonah/lib/sleep.ts";

const settleMs = 5_000;

export class VmUses {
  #open = 0;
  #begun = 0;
  #brief = 0;
  #settled = Promise.withResolvers<void>();

  get open(): number {
    return this.#open;
  }

  /** How many there ever were: tells a look at them later whether there was one between. */
  get begun(): number {
    return this.#begun;
  }

  /** `brief`: it is over soon, and can't go on where its connection breaks. */
  begin(brief: boolean): Disposable {
    this.#open += 1;
    this.#begun += 1;
    if (brief) this.#brief += 1;
    let over = false;
    return {
      [Symbol.dispose]: () => {
        if (over) return;
        over = true;
        this.#open -= 1;
        if (!brief) return;
        this.#brief -= 1;
        if (this.#brief > 0) return;
        this.#settled.resolve();
        this.#settled = Promise.withResolvers();
      },
    };
  }

  /** Waits for the brief ones to end, but not for long: what is left then breaks. */
  async settle(signal: AbortSignal): Promise<void> {
    if (this.#brief === 0) return;
    const waiting = new AbortController();
    const limit = sleep(settleMs, { signal: waiting.signal }).catch(() => undefined);
    await abortable(Promise.race([this.#settled.promise, limit]), signal).finally(() => waiting.abort());
  }
}
