/** Creates that boot, first execs and deletes, one after the other. */
import { Sandbox } from "daytonah";
import type { Bench, Section } from "../bench.ts";
import { interruption } from "../interruption.ts";
import { p50 } from "../report.ts";
import { StageSamples } from "../stage-samples.ts";
import { timed } from "../timing.ts";

export const coldCreate: Section = {
  name: "cold-create",
  group: "data",
  run: async ({ options, dataFloors }: Bench) => {
    const { boot, echo, forkExec, exec, execMany, execUpload, ptyEcho, http } = dataFloors();
    const [creates, firstExecs, deletes] = [[] as number[], [] as number[], [] as number[]];
    const stages = new StageSamples();
    for (let n = 0; n < options.creates; n += 1) {
      interruption.throwIfAborted();
      const [sandbox, createMs] = await timed(() => Sandbox.create());
      creates.push(createMs);
      stages.add(sandbox.stages);
      firstExecs.push((await timed(() => sandbox.exec(["/bin/true"], { check: true })))[1]);
      deletes.push((await timed(() => sandbox.kill({ purge: true })))[1]);
    }
    const rows = [
      { path: "floor: VMM alone until the agent answers", values: boot },
      { path: "floor: vsock dial and one frame echoed", values: echo },
      { path: "floor: fork and exec in the guest", values: forkExec },
      { path: "– the agent alone: both, and its own work", values: exec },
      { path: "floor: each of 100 execs at once, the agent alone", values: execMany },
      { path: "floor: exec while content is written, the agent alone", values: execUpload },
      { path: "floor: keystroke echo, the agent alone", values: ptyEcho },
      { path: "floor: GET from a guest's port, the agent alone", values: http },
      { path: "create, cold", values: creates, floor: p50(boot), budget: "98 / 313, ours ≤ 10" },
      ...stages.rows(),
      { path: "first exec", values: firstExecs, floor: p50(echo) + p50(forkExec) },
      { path: "delete", values: deletes },
    ];
    return [{ unit: "ms", rows }];
  },
};
