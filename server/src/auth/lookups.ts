/**
 * Lets questions about who calls reach the database in turns: each credential has a few of the connections that all callers
 * share, and all those together who may be nobody have no more.
 */
import { problem } from "@daytonah/lib/problem.ts";
import { createLines } from "../db/lines.ts";

/** Asks in its turn. `name` is what is asked for: a key's hash, a sandbox. */
export type Lookup = <T>(name: string, ask: () => Promise<T | undefined>) => Promise<T | undefined>;

const atOnce = 8;
const maxWaiting = 10_000;
const maxKnown = 10_000;
/** The line of whatever was not found within living memory. */
const strangers = "";

export function createLookups(): Lookup {
  const known = new Set<string>();
  const lines = createLines(atOnce);
  return async (name, ask) => {
    const line = known.has(name) ? name : strangers;
    if (lines.waiting(line) >= maxWaiting) throw tooMany();
    using _turn = await lines.enter(line);
    const found = await ask();
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
