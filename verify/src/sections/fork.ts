/** Forks of a running sandbox: one child, and ten in one call. */
import { Sandbox } from "daytonah";
import type { Bench, Section } from "../bench.ts";
import { interruption } from "../interruption.ts";
import { lifeMemoryMib } from "../life-size.ts";
import { purgeAll } from "../purge-all.ts";
import { p50 } from "../report.ts";
import { timed } from "../timing.ts";

export const fork: Section = {
  name: "fork",
  group: "life",
  run: async ({ options, lifeFloors }: Bench) => {
    const { window, restore, restoreMany } = lifeFloors();
    const parent = await Sandbox.create({ memoryMib: lifeMemoryMib });
    try {
      const one = await measure(parent, 1, options.rounds);
      const ten = await measure(parent, 10, options.forkRounds);
      const rows = [
        { path: "floor: VMM alone restores ten, eight at a time", values: restoreMany },
        { path: "fork, one child", values: one, floor: p50(window) + p50(restore), budget: "66, ours ≤ 10" },
        { path: "fork, ten children in one call", values: ten, floor: p50(window) + p50(restoreMany) },
      ];
      return [{ unit: "ms", rows }];
    } finally {
      await parent.kill({ purge: true });
    }
  },
};

async function measure(parent: Sandbox, count: number, rounds: number): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < rounds; n += 1) {
    interruption.throwIfAborted();
    const [outcomes, ms] = await timed(() => parent.forkMany(count));
    times.push(ms);
    await purgeAll(outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : [])));
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }
  return times;
}
