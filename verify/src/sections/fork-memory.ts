/** Memory of forks of one sandbox beside that of as many that booted. */
import { setTimeout as sleep } from "node:timers/promises";
import { Sandbox } from "daytonah";
import type { Bench, Section } from "../bench.ts";
import { findDaemon } from "../find-daemon.ts";
import { interruption } from "../interruption.ts";
import { lifeMemoryMib } from "../life-size.ts";
import { purgeAll } from "../purge-all.ts";
import { memoryOfVms, type VmMemory } from "../vm-memory.ts";

/** For the guests to come to rest. */
const settleMs = 3_000;
const mib = 1024 * 1024;

export const forkMemory: Section = {
  name: "fork-memory",
  group: "life",
  run: async ({ options }: Bench) => {
    const { forks: count } = options;
    const daemonPid = options.hostdPid ?? findDaemon();
    const parent = await Sandbox.create({ memoryMib: lifeMemoryMib });
    try {
      const forked = await grownBy(daemonPid, async (made) => {
        const outcomes = await parent.forkMany(count);
        made.push(...outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : [])));
        const failed = outcomes.find((outcome) => outcome.status === "rejected");
        if (failed) throw failed.reason;
      });
      const booted = await grownBy(daemonPid, async (made) => {
        for (let n = 0; n < count; n += 1) {
          interruption.throwIfAborted();
          made.push(await Sandbox.create({ memoryMib: lifeMemoryMib }));
        }
      });
      const row = (path: string, part: keyof VmMemory) => [
        { path: `${count} cold boots of ${lifeMemoryMib} MiB: ${path}`, values: [booted[part] / mib] },
        { path: `${count} forks of one: ${path}`, values: [forked[part] / mib], floor: booted[part] / mib },
      ];
      const rows = [...row("PSS", "pssBytes"), ...row("PSS, and memory files that no process has mapped", "allBytes")];
      return [{ unit: "MiB", rows }];
    } finally {
      await parent.kill({ purge: true });
    }
  },
};

/** What all VMs of the host take more while these are there. */
async function grownBy(daemonPid: number, make: (made: Sandbox[]) => Promise<void>): Promise<VmMemory> {
  await sleep(settleMs);
  const before = memoryOfVms(daemonPid);
  const made: Sandbox[] = [];
  try {
    await make(made);
    await sleep(settleMs);
    const { pssBytes, allBytes } = memoryOfVms(daemonPid);
    return { pssBytes: pssBytes - before.pssBytes, allBytes: allBytes - before.allBytes };
  } finally {
    await purgeAll(made);
  }
}
