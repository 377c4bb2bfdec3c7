/** What `verify/perf-quick.sh` can be told. */
import { parseArgs } from "node:util";

export interface PerfOptions {
  /** Names of sections or of groups of them; empty: all. */
  readonly sections: readonly string[];
  readonly bundle: string;
  readonly vhostDeviceVsock: string;
  /** The agent's binary, to tell its size. */
  readonly agent: string;
  readonly databaseUrl: string;
  readonly hostdPid: number | undefined;
  readonly json: boolean;
  readonly creates: number;
  readonly execs: number;
  readonly contentMib: number;
  readonly uploadMib: number;
  readonly sandboxes: number;
  readonly rounds: number;
  readonly forkRounds: number;
  readonly cycles: number;
  readonly burst: number;
  readonly forks: number;
}

/** With these `life` takes ten minutes on two cores that emulate; with KVM more of each cost little. */
const counts = {
  /** Cold creates, and boots of their floor. */
  creates: "5",
  execs: "100",
  "content-mib": "100",
  /** Content that another client uploads meanwhile. */
  "upload-mib": "500",
  /** Idle sandboxes by which the daemon's memory is told. */
  sandboxes: "20",
  /** Warm creates, pauses, resumes, snapshots, single forks, and restores of their floor. */
  rounds: "20",
  /** Forks of ten. */
  "fork-rounds": "3",
  /** Creates and deletes, one after the other, and as many again eight at a time. */
  cycles: "100",
  /** Creates at once. */
  burst: "30",
  /** Forks, and cold boots, whose memory is compared. */
  forks: "10",
};

export function readOptions(argv: readonly string[]): PerfOptions {
  const numbers = Object.entries(counts).map(([name, value]) => [name, { type: "string" as const, default: value }]);
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      bundle: { type: "string" },
      "vhost-device-vsock": { type: "string", default: "vhost-device-vsock" },
      agent: { type: "string" },
      "database-url": { type: "string" },
      "hostd-pid": { type: "string" },
      json: { type: "boolean", default: false },
      ...(Object.fromEntries(numbers) as Record<keyof typeof counts, { type: "string"; default: string }>),
    },
  });
  const required = (name: "bundle" | "agent" | "database-url") => {
    const value = values[name];
    if (value === undefined) throw new Error(`--${name} is missing; verify/perf-quick.sh knows it`);
    return value;
  };
  const count = (name: keyof typeof counts) => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 1)
      throw new Error(`--${name} is ${values[name]}: give a count from 1 on`);
    return value;
  };
  return {
    sections: positionals,
    bundle: required("bundle"),
    vhostDeviceVsock: values["vhost-device-vsock"],
    agent: required("agent"),
    databaseUrl: required("database-url"),
    hostdPid: values["hostd-pid"] === undefined ? undefined : Number(values["hostd-pid"]),
    json: values.json,
    creates: count("creates"),
    execs: count("execs"),
    contentMib: count("content-mib"),
    uploadMib: count("upload-mib"),
    sandboxes: count("sandboxes"),
    rounds: count("rounds"),
    forkRounds: count("fork-rounds"),
    cycles: count("cycles"),
    burst: count("burst"),
    forks: count("forks"),
  };
}
