/** What the host's daemon and the agent take of memory. */
import { statSync } from "node:fs";
import type { Bench, Section } from "../bench.ts";
import { findDaemon } from "../find-daemon.ts";
import { measureMemory } from "../measure-memory.ts";

const mib = 1024 * 1024;

export const daemonMemory: Section = {
  name: "daemon-memory",
  group: "data",
  run: async ({ options, dataFloors, progress }: Bench) => {
    const { sandboxes, hostdPid, agent } = options;
    const { agentBytes } = dataFloors();
    progress(`${sandboxes} idle sandboxes`);
    const { each, daemon } = await measureMemory(sandboxes, hostdPid ?? findDaemon());
    const rows = [
      { path: `host daemon for each of ${sandboxes} idle sandboxes, 5 streams each`, values: [each], budget: "≤ 1" },
      { path: "– in all", values: [daemon] },
      { path: "agent, resident, after all of the floors", values: [agentBytes / mib], budget: "≤ 4" },
      { path: "agent, on disk", values: [statSync(agent).size / mib], budget: "≤ 3" },
    ];
    return [{ unit: "MiB", rows }];
  },
};
