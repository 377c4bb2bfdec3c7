/**
 * Creates all at once, each over a connection of its own: as many as there is room for, and many more than that. Each must
 * answer with a sandbox, or with NO_CAPACITY and when to try again.
 */

import type { CreateSandboxOptions } from "daytonah";
import { CapacityError, Client, Sandbox } from "daytonah";
import type { Bench, Section } from "../bench.ts";
import { interruption } from "../interruption.ts";
import { percentilesOf } from "../percentiles.ts";
import { purgeAll } from "../purge-all.ts";
import type { Row } from "../report.ts";
import { timed } from "../timing.ts";
import { withSnapshot } from "../with-snapshot.ts";

/** So many of the large ones fit at most, all hosts together. */
const large = 10;

export const burst: Section = {
  name: "burst",
  group: "life",
  run: async ({ options, violations, progress }: Bench) => {
    const small = await withSnapshot((snapshotId) => createAtOnce(options.burst, { snapshotId }));
    const memoryMib = await largeMemoryMib();
    const tooMany = await createAtOnce(options.burst, { memoryMib });
    violations.push(...small.broken, ...tooMany.broken);
    if (tooMany.why !== undefined) progress(`one of the refused: ${tooMany.why}`);
    if (options.burst > large && tooMany.refused.length === 0) {
      violations.push(`${options.burst} creates of ${memoryMib} MiB all found room where ${large} fit at most`);
    }
    const rows = [
      ...rowsOf(`${options.burst} creates at once from kept memory`, small),
      ...rowsOf(`${options.burst} cold creates at once, of ${memoryMib} MiB`, tooMany),
    ];
    return [{ unit: "ms", rows }];
  },
};

interface Outcome {
  readonly served: readonly number[];
  readonly refused: readonly number[];
  /** What one of the refused was told. */
  readonly why: string | undefined;
  /** What was neither. */
  readonly broken: readonly string[];
}

async function createAtOnce(count: number, options: CreateSandboxOptions): Promise<Outcome> {
  const [served, refused, broken] = [[] as number[], [] as number[], [] as string[]];
  const sandboxes: Sandbox[] = [];
  let why: string | undefined;
  const one = async () => {
    const began = performance.now();
    const client = new Client({ maxRetries: 0 });
    try {
      const [sandbox, ms] = await timed(() => Sandbox.create({ ...options, client }));
      sandboxes.push(sandbox);
      served.push(ms);
    } catch (error) {
      if (isRefusal(error)) {
        refused.push(performance.now() - began);
        why ??= error.message;
      } else {
        broken.push(`a create among ${count} at once ended with ${error}`);
      }
    }
  };
  await Promise.all(Array.from({ length: count }, one));
  await purgeAll(sandboxes);
  interruption.throwIfAborted();
  return { served, refused, why, broken };
}

function isRefusal(error: unknown): error is CapacityError {
  return error instanceof CapacityError && error.reason === "NO_CAPACITY" && (error.retryAfterMs ?? 0) > 0;
}

async function largeMemoryMib(): Promise<number> {
  let offered = 0;
  for await (const { memoryMib } of new Client().hosts.list()) offered += memoryMib;
  return Math.ceil(offered / large);
}

function rowsOf(path: string, { served, refused }: Outcome): Row[] {
  return [
    ...(served.length === 0
      ? []
      : [
          { path: `${path}: ${served.length} served`, values: served },
          { path: "– P99 of them", values: [percentilesOf(served).p99] },
        ]),
    ...(refused.length === 0
      ? []
      : [{ path: `– ${refused.length} told NO_CAPACITY and when to retry`, values: refused }]),
  ];
}
