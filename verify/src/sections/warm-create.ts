/** Creates that a warm pool serves, each when the pool is full again, and the first exec of each. */
import { setTimeout as sleep } from "node:timers/promises";
import { Client, Sandbox } from "daytonah";
import type { Bench, Section } from "../bench.ts";
import { interruption } from "../interruption.ts";
import { p50 } from "../report.ts";
import { StageSamples } from "../stage-samples.ts";
import { timed } from "../timing.ts";

/** A size that nobody has a pool of. */
const memoryMib = 264;
const minReady = 2;
const longestFillMs = 120_000;

export const warmCreate: Section = {
  name: "warm-create",
  group: "life",
  run: async ({ options, lifeFloors, databaseFloors }: Bench) => {
    const { echo, forkExec, personalize } = lifeFloors();
    const { query, commit } = databaseFloors();
    const { creates, firstExecs, stages } = await measure(options.rounds);
    const floor = p50(commit) + p50(echo);
    const toExec = creates.map((ms, n) => ms + (firstExecs[n] as number));
    const rows = [
      { path: "floor: one round trip to PostgreSQL, nothing written", values: query },
      { path: "floor: one round trip to PostgreSQL, with a commit", values: commit },
      { path: "floor: vsock dial and one frame echoed", values: echo },
      { path: "floor: fork and exec in the guest", values: forkExec },
      { path: "the agent alone takes on an identity", values: personalize },
      { path: "create, warm", values: creates, floor, budget: "14 / 24, ours ≤ 2" },
      ...stages.rows(),
      {
        ...{ path: "create, warm, until its first exec ended", values: toExec },
        ...{ floor: floor + p50(echo) + p50(forkExec), budget: "22 / 39" },
      },
    ];
    return [{ unit: "ms", rows }];
  },
};

async function measure(count: number) {
  const { pools } = new Client();
  const [creates, firstExecs] = [[] as number[], [] as number[]];
  const stages = new StageSamples();
  await pools.set({ memoryMib, minReady });
  try {
    for (let n = 0; n < count; n += 1) {
      await untilFull(pools);
      const [sandbox, createMs] = await timed(() => Sandbox.create({ memoryMib }));
      if (!sandbox.stages.some(({ stage }) => stage === "claim")) throw new Error("a full pool did not serve a create");
      creates.push(createMs);
      stages.add(sandbox.stages);
      firstExecs.push((await timed(() => sandbox.exec(["/bin/true"], { check: true })))[1]);
      await sandbox.kill({ purge: true });
    }
  } finally {
    await pools.delete({ memoryMib });
  }
  return { creates, firstExecs, stages };
}

async function untilFull(pools: Client["pools"]): Promise<void> {
  const deadline = Date.now() + longestFillMs;
  for (;;) {
    interruption.throwIfAborted();
    const pool = (await pools.list()).find((candidate) => candidate.memoryMib === memoryMib);
    if (pool !== undefined && pool.ready >= minReady && pool.filling === 0) return;
    if (Date.now() > deadline) throw new Error(`the pool is not full after ${longestFillMs / 1000} s`);
    await sleep(100);
  }
}
