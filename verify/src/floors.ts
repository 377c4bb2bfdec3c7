/** The floors of this host, from a run of hostd/src/bench/floors.ts; it says what each is. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

type Times = readonly number[];

export interface Floors {
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

export interface FloorOptions {
  readonly bundle: string | undefined;
  readonly vhostDeviceVsock: string;
  readonly boots: number;
  readonly contentMib: number;
}

export function measureFloors({ bundle, vhostDeviceVsock, boots, contentMib }: FloorOptions): Floors {
  const script = fileURLToPath(new URL("../../hostd/src/bench/floors.ts", import.meta.url));
  const flags = ["--boots", String(boots), "--vhost-device-vsock", vhostDeviceVsock];
  flags.push("--content-mib", String(contentMib), ...(bundle === undefined ? [] : ["--bundle", bundle]));
  const printed = execFileSync(process.execPath, [script, ...flags], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(printed) as Floors;
}
