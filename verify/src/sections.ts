/** All there is to measure, in the order in which it is done. */
import type { Section } from "./bench.ts";
import { burst } from "./sections/burst.ts";
import { coldCreate } from "./sections/cold-create.ts";
import { cycles } from "./sections/cycles.ts";
import { daemonMemory } from "./sections/daemon-memory.ts";
import { fork } from "./sections/fork.ts";
import { forkMemory } from "./sections/fork-memory.ts";
import { pause } from "./sections/pause.ts";
import { snapshot } from "./sections/snapshot.ts";
import { warmCreate } from "./sections/warm-create.ts";
import { ways } from "./sections/ways.ts";

const sections: readonly Section[] = [
  ...[coldCreate, ways, daemonMemory],
  ...[warmCreate, pause, snapshot, fork, cycles, burst, forkMemory],
];

/** By the names of sections or groups; all where there are none. */
export function sectionsNamed(names: readonly string[]): readonly Section[] {
  const known = new Set(sections.flatMap(({ name, group }) => [name, group]));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0)
    throw new Error(`there is no section ${unknown.join(", ")}; there are ${[...known].join(", ")}`);
  return sections.filter(({ name, group }) => names.length === 0 || names.includes(name) || names.includes(group));
}
