/** Snapshots of a running sandbox, and how long its programs stand still. */
import { Client, Sandbox } from "daytonah";
import type { Bench, Section } from "../bench.ts";
import { interruption } from "../interruption.ts";
import { lifeMemoryMib } from "../life-size.ts";
import { p50 } from "../report.ts";
import { StageSamples } from "../stage-samples.ts";
import { timed } from "../timing.ts";

export const snapshot: Section = {
  name: "snapshot",
  group: "life",
  run: async ({ options, lifeFloors }: Bench) => {
    const floor = p50(lifeFloors().window);
    const { snapshots } = new Client();
    const taken: number[] = [];
    const stages = new StageSamples();
    const sandbox = await Sandbox.create({ memoryMib: lifeMemoryMib });
    try {
      for (let n = 0; n < options.rounds; n += 1) {
        interruption.throwIfAborted();
        const [kept, ms] = await timed(() => sandbox.snapshot());
        taken.push(ms);
        stages.add(kept.stages);
        await snapshots.delete(kept.id);
      }
    } finally {
      await sandbox.kill({ purge: true });
    }
    const window = { floor, budget: "4 for the disk alone" };
    const rows = [
      { path: "floor: VMM alone stops a VM, writes it down and runs it on", values: lifeFloors().window },
      { path: "snapshot", values: taken, floor },
      ...stages.rows().map((row) => (row.path === "– window" ? { ...row, ...window } : row)),
    ];
    return [{ unit: "ms", rows }];
  },
};
