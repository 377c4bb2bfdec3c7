/** The floors of snapshots and restores on this host, from a run of hostd/src/bench/life-floors.ts; it says what each is. */
import { lifeMemoryMib } from "../life-size.ts";
import type { PerfOptions } from "../options.ts";
import { runScript } from "./run-script.ts";

type Times = readonly number[];

export interface LifeFloors {
  readonly echo: Times;
  readonly forkExec: Times;
  readonly writeDown: Times;
  readonly window: Times;
  readonly restore: Times;
  readonly restoreMany: Times;
  readonly restoreEach: Times;
  readonly personalize: Times;
  readonly kill: Times;
}

export function measureLifeFloors({ bundle, vhostDeviceVsock, rounds, forkRounds }: PerfOptions): LifeFloors {
  const flags = {
    ...{ bundle, "vhost-device-vsock": vhostDeviceVsock, "memory-mib": lifeMemoryMib },
    ...{ rounds, "many-rounds": forkRounds },
  };
  return runScript("hostd/src/bench/life-floors.ts", flags) as LifeFloors;
}
