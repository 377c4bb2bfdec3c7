/**
 * Lets questions about who calls reach the database in turns: each credential has a few of the connections that all callers
 * share, and all those together who may be nobody have no more.
 */
import { problem } from "@daytonah/lib/problem.ts";

/** Asks in its turn. `name` is what is asked for: a key's hash, a sandbox. */
export type Lookup = <T>(name: string, ask: () => Promise<T | undefined>) => Promise<T | undefined>;

const atOnce = 8;
const maxWaiting = 10_000;
const maxKnown = 10_000;
/** The line of whatever was not found within living memory. */
const strangers = "";

interface Line {
  asking: number;
  readonly waiting: (() => void)[];
}

export function createLookups(): Lookup {
  const known = new Set<string>();
  const lines = new Map<string, Line>();

  const inTurn = async <T>(name: string, ask: () => Promise<T>): Promise<T> => {
    const line = lines.get(name) ?? { asking: 0, waiting: [] };
    lines.set(name, line);
    if (line.asking < atOnce) line.asking += 1;
    else if (line.waiting.length >= maxWaiting) throw tooMany();
    else await new Promise<void>((resolve) => line.waiting.push(resolve)); // for the place of one that has its answer
    try {
      return await ask();
    } finally {
      const next = line.waiting.shift();
      if (next) next();
      else {
        line.asking -= 1;
        if (line.asking === 0) lines.delete(name);
      }
    }
  };

  return async (name, ask) => {
    const found = await inTurn(known.has(name) ? name : strangers, ask);
    if (found === undefined) known.delete(name);
    else if (known.size < maxKnown) known.add(name);
    else known.clear();
    return found;
  };
}

function tooMany() {
  return problem("TOO_MANY_CALLS", "Too many calls wait here to be let in.", {
    metadata: { kind: "calls", limit: String(maxWaiting) },
    retryDelayMs: 2_000,
  });
}
