/** Pauses and resumes of one sandbox, one after the other. */
import { Sandbox } from "daytonah";
import type { Bench, Section } from "../bench.ts";
import { interruption } from "../interruption.ts";
import { lifeMemoryMib } from "../life-size.ts";
import { p50 } from "../report.ts";
import { timed } from "../timing.ts";

export const pause: Section = {
  name: "pause",
  group: "life",
  run: async ({ options, lifeFloors }: Bench) => {
    const { writeDown, kill, restore, echo, forkExec } = lifeFloors();
    const [pauses, resumes, execs] = [[] as number[], [] as number[], [] as number[]];
    const sandbox = await Sandbox.create({ memoryMib: lifeMemoryMib });
    try {
      for (let n = 0; n < options.rounds; n += 1) {
        interruption.throwIfAborted();
        pauses.push((await timed(() => sandbox.pause()))[1]);
        resumes.push((await timed(() => sandbox.resume()))[1]);
        execs.push((await timed(() => sandbox.exec(["/bin/true"], { check: true })))[1]);
      }
    } finally {
      await sandbox.kill({ purge: true });
    }
    const rows = [
      { path: "floor: VMM alone stops a VM and writes it down", values: writeDown },
      { path: "floor: VMM alone ends a VM", values: kill },
      { path: "floor: VMM alone restores a VM until its agent answers", values: restore },
      { path: "pause", values: pauses, floor: p50(writeDown) + p50(kill) },
      { path: "resume", values: resumes, floor: p50(restore), budget: "104, ours ≤ 10" },
      { path: "first exec after it", values: execs, floor: p50(echo) + p50(forkExec) },
    ];
    return [{ unit: "ms", rows }];
  },
};
