/** Lines of those who wait for their turn, one for each name: in each, so many have it at once. */
export interface Lines {
  /**
   * Resolves when it is this one's turn, which lasts until disposed. Rejects with the reason of the signal that `patience`
   * gives where it has to wait.
   */
  enter(name: string, patience?: () => AbortSignal): Promise<Disposable>;
  /** How many wait. */
  waiting(name: string): number;
}

interface Line {
  taken: number;
  readonly waiting: Set<() => void>;
}

export function createLines(atOnce: number): Lines {
  const lines = new Map<string, Line>();

  const leave = (name: string, line: Line) => {
    const [next] = line.waiting;
    if (next) {
      line.waiting.delete(next);
      next(); // its turn is the one that has just ended
      return;
    }
    line.taken -= 1;
    if (line.taken === 0) lines.delete(name);
  };

  const wait = (line: Line, signal: AbortSignal | undefined) =>
    new Promise<void>((resolve, reject) => {
      const onTurn = () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = () => {
        line.waiting.delete(onTurn);
        reject(signal?.reason);
      };
      line.waiting.add(onTurn);
      signal?.addEventListener("abort", onAbort, { once: true });
    });

  return {
    async enter(name, patience) {
      const line = lines.get(name) ?? { taken: 0, waiting: new Set() };
      lines.set(name, line);
      if (line.taken < atOnce) line.taken += 1;
      else await wait(line, patience?.());
      const stack = new DisposableStack(); // which leaves once, however often it is disposed
      stack.defer(() => leave(name, line));
      return stack;
    },
    waiting: (name) => lines.get(name)?.waiting.size ?? 0,
  };
}
