/** The floors of creates and calls on this host, from a run of hostd/src/bench/floors.ts; it says what each is. */
import type { PerfOptions } from "../options.ts";
import { runScript } from "./run-script.ts";

type Times = readonly number[];

export interface DataFloors {
  readonly boot: Times;
  readonly echo: Times;
  readonly exec: Times;
  readonly forkExec: Times;
  readonly execMany: Times;
  readonly execUpload: Times;
  readonly ptyEcho: Times;
  readonly http: Times;
  readonly writeRate: number;
  readonly readRate: number;
  readonly httpRate: number;
  readonly agentBytes: number;
}

export function measureDataFloors({ bundle, vhostDeviceVsock, creates, contentMib }: PerfOptions): DataFloors {
  const flags = { bundle, "vhost-device-vsock": vhostDeviceVsock, boots: creates, "content-mib": contentMib };
  return runScript("hostd/src/bench/floors.ts", flags) as DataFloors;
}
