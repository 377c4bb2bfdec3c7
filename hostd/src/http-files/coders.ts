/** Who compresses and unpacks: that takes memory (a decoder of zstd up to 8 MiB), so each sandbox has a few at a time. */

const perSandbox = 8;

export class Coders {
  readonly #running = new Map<string, number>();

  /** One more, until it is disposed; undefined where all are in use. */
  take(sandboxId: string): Disposable | undefined {
    const running = this.#running.get(sandboxId) ?? 0;
    if (running === perSandbox) return undefined;
    this.#running.set(sandboxId, running + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#running.get(sandboxId) ?? 1) - 1;
        if (left === 0) this.#running.delete(sandboxId);
        else this.#running.set(sandboxId, left);
      },
    };
  }
}
