/**
 * What is done to one VM, one after the other: start, pause, snapshot, resume, stop. A repeat of one that waits or runs joins
 * it. An operation goes on where its caller goes away; a delete ends them all.
 */
export class VmOperations {
  readonly #running = new Map<string, Promise<unknown>>();
  readonly #ended = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  /** `key`: what is done, and to which epoch; the same key has the same result. */
  run<T>(key: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const joined = this.joined<T>(key);
    if (joined) return joined;
    const result = this.#last.then(() => {
      this.#ended.signal.throwIfAborted();
      return work(this.#ended.signal);
    });
    const done = () => void this.#running.delete(key);
    this.#last = result.then(done, done);
    this.#running.set(key, result);
    return result;
  }

  joined<T>(key: string): Promise<T> | undefined {
    return this.#running.get(key) as Promise<T> | undefined;
  }

  /** Ends what runs with this reason, and refuses what comes; resolves when nothing runs. */
  async end(reason: Error): Promise<void> {
    this.#ended.abort(reason);
    await this.#last;
  }
}
