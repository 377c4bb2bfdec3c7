/** A list that only grows, and can be followed. */
export class FakeLog<T> {
  readonly entries: T[] = [];
  #changed = Promise.withResolvers<void>();

  add(entry: T): void {
    this.entries.push(entry);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  /** From index `at` on, for ever. */
  async *from(at: number, signal: AbortSignal): AsyncGenerator<T> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    for (let next = at; !signal.aborted; ) {
      const changed = this.#changed.promise;
      while (next < this.entries.length) yield this.entries[next++] as T;
      await Promise.race([changed, aborted]);
    }
  }
}
