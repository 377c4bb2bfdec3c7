/** Creates from a memory that is kept, each deleted again: one after the other, then eight at a time. */
import { Sandbox } from "daytonah";
import type { Bench, Section } from "../bench.ts";
import { interruption } from "../interruption.ts";
import { p50, type Row } from "../report.ts";
import { StageSamples } from "../stage-samples.ts";
import { timed } from "../timing.ts";
import { withSnapshot } from "../with-snapshot.ts";

const atOnce = 8;

export const cycles: Section = {
  name: "cycles",
  group: "life",
  run: async ({ options, lifeFloors }: Bench) => {
    const { restore, restoreEach, kill } = lifeFloors();
    const { alone, many, stages } = await withSnapshot(async (snapshotId) => {
      const stages = new StageSamples();
      return {
        alone: await measure(snapshotId, options.cycles, 1, stages),
        many: await measure(snapshotId, options.cycles, atOnce, new StageSamples()),
        stages,
      };
    });
    const rows: Row[] = [
      { path: "floor: VMM alone restores a VM, each of eight at a time", values: restoreEach },
      {
        ...{ path: `create + delete, one after the other (${alone.rate}/s)`, values: alone.each },
        ...{ floor: p50(restore) + p50(kill), budget: "26.3/s" },
      },
      ...stages.rows(),
      {
        path: `create + delete, ${atOnce} at a time (${many.rate}/s)`,
        ...{ values: many.each, floor: p50(restoreEach) + p50(kill) },
      },
    ];
    return [{ unit: "ms", rows }];
  },
};

async function measure(snapshotId: string, count: number, workers: number, stages: StageSamples) {
  const each: number[] = [];
  let begun = 0;
  const work = async () => {
    while (begun < count && !interruption.aborted) {
      begun += 1;
      const [, ms] = await timed(async () => {
        const sandbox = await Sandbox.create({ snapshotId });
        stages.add(sandbox.stages);
        await sandbox.kill({ purge: true });
      });
      each.push(ms);
    }
  };
  const [, totalMs] = await timed(() => Promise.all(Array.from({ length: workers }, work)));
  interruption.throwIfAborted();
  return { each, rate: (count / (totalMs / 1000)).toFixed(1) };
}
