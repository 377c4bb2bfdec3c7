/** Work that goes on when its caller has gone, and that the server waits for before it ends. */
export interface Background {
  /** Hands the promise back; whether anybody waits for it or not, it is nobody's unhandled rejection. */
  run<T>(work: Promise<T>): Promise<T>;
  /** Resolves when nothing runs. */
  drain(): Promise<void>;
}

export function createBackground(): Background {
  const running = new Set<Promise<void>>();
  return {
    run(work) {
      const forget = () => void running.delete(settled);
      const settled: Promise<void> = work.then(forget, forget);
      running.add(settled);
      return work;
    },
    async drain() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}
