/** What `dnah up` and `dnah host` were asked for, parsed and checked once. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type Layout, layoutOf } from "./layout.ts";
import { UpError } from "./up-error.ts";

/** Of a host's daemon. */
export interface DaemonOptions {
  readonly layout: Layout;
  readonly hostdListen: Address;
  readonly edgeListen: Address;
  readonly bundle: string;
  readonly vhostDeviceVsock: string | undefined;
  readonly cloudHypervisor: string | undefined;
  /** The daemon checks it. */
  readonly vmm: string;
  readonly logLevel: string;
  /** Settings that are handed on to the daemon as they are in the environment. */
  readonly hostdEnv: Readonly<Record<string, string>>;
}

export interface UpOptions extends DaemonOptions {
  readonly listen: Address;
  /** An own PostgreSQL; a private one is started where absent. */
  readonly databaseUrl: string | undefined;
  /** The same for the control plane. */
  readonly serverEnv: Readonly<Record<string, string>>;
  /** Writes ~/.config/dnah/config.json, so that `dnah` finds the platform. */
  readonly writeConfig: boolean;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The flags as the command line gives them. */
export interface DaemonFlags {
  readonly dataDir: string;
  readonly runDir: string;
  readonly hostdListen: string;
  readonly edgeListen: string;
  readonly bundle?: string;
  readonly vhostDeviceVsock?: string;
  readonly cloudHypervisor?: string;
  readonly vmm?: string;
  readonly logLevel: string;
}

export interface UpFlags extends DaemonFlags {
  readonly listen: string;
  readonly databaseUrl?: string;
  /** The control plane checks it. */
  readonly tombstoneRetention?: string;
  readonly config: boolean;
}

export function readUpOptions(flags: UpFlags, env: NodeJS.ProcessEnv): UpOptions {
  return {
    ...readDaemonOptions(flags, env),
    listen: readAddress("--listen", flags.listen),
    databaseUrl: flags.databaseUrl ?? env.DNAH_DATABASE_URL,
    serverEnv: {
      ...pick(env, serverSettings),
      ...(flags.tombstoneRetention === undefined ? {} : { DNAH_TOMBSTONE_RETENTION: flags.tombstoneRetention }),
    },
    writeConfig: flags.config,
  };
}

export function readDaemonOptions(flags: DaemonFlags, env: NodeJS.ProcessEnv): DaemonOptions {
  const setup = readSetup(env);
  const bundle = flags.bundle ?? env.DNAH_BUNDLE ?? setup.bundle;
  if (bundle === undefined || !existsSync(join(bundle, "bundle.json"))) {
    throw new UpError(
      bundle === undefined ? "there are no guest images yet" : `${bundle} has no bundle.json`,
      "run `npm run quickstart` once, or name a folder with --bundle",
    );
  }
  return {
    layout: layoutOf(resolve(flags.dataDir), resolve(flags.runDir)),
    hostdListen: readAddress("--hostd-listen", flags.hostdListen),
    edgeListen: readAddress("--edge-listen", flags.edgeListen),
    bundle: resolve(bundle),
    vhostDeviceVsock: flags.vhostDeviceVsock ?? env.DNAH_VHOST_DEVICE_VSOCK ?? setup.vhostDeviceVsock,
    cloudHypervisor: flags.cloudHypervisor ?? env.DNAH_CLOUD_HYPERVISOR,
    vmm: flags.vmm ?? env.DNAH_VMM ?? "auto",
    logLevel: flags.logLevel,
    hostdEnv: pick(env, hostdSettings),
  };
}

const serverSettings = [
  ...["DNAH_PUBLIC_URL", "DNAH_DOMAIN", "DNAH_TOMBSTONE_RETENTION"],
  ...["DNAH_MAX_CALLS_PER_ORG", "DNAH_MAX_STREAMS_PER_ORG"],
];

const hostdSettings = [
  ...["DNAH_EDGE_URL", "DNAH_EDGE_TLS_CERT", "DNAH_EDGE_TLS_KEY"],
  ...["DNAH_VCPUS", "DNAH_MEMORY_MIB", "DNAH_MEMORY_OVERCOMMIT"],
];

function pick(env: NodeJS.ProcessEnv, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

export function readAddress(flag: string, text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port < 1 || port > 65535) {
    throw new UpError(`${flag} ${text} is no address`, "write it as HOST:PORT, such as 127.0.0.1:3000");
  }
  return { host, port };
}

/** What the installer (tools/src/setup) left in its cache; a test there holds this folder against `cacheDirOf` of images/. */
export function readSetup(env: NodeJS.ProcessEnv): { bundle?: string; vhostDeviceVsock?: string } {
  const cache = env.DNAH_CACHE_DIR || join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), ".cache"), "daytonah");
  try {
    return JSON.parse(readFileSync(join(cache, "setup.json"), "utf8")) as {
      bundle?: string;
      vhostDeviceVsock?: string;
    };
  } catch {
    return {};
  }
}
