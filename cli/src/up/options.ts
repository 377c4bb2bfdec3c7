/** What `dnah up` was asked for, parsed and checked once. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type Layout, layoutOf } from "./layout.ts";
import { UpError } from "./up-error.ts";

export interface UpOptions {
  readonly layout: Layout;
  readonly listen: Address;
  readonly hostdListen: Address;
  readonly edgeListen: Address;
  /** An own PostgreSQL; a private one is started where absent. */
  readonly databaseUrl: string | undefined;
  readonly bundle: string;
  readonly vhostDeviceVsock: string | undefined;
  readonly cloudHypervisor: string | undefined;
  /** The daemon checks it. */
  readonly vmm: string;
  readonly logLevel: string;
  /** Settings of the control plane, and of the host's daemon, that are handed on as they are in the environment. */
  readonly serverEnv: Readonly<Record<string, string>>;
  readonly hostdEnv: Readonly<Record<string, string>>;
  /** Writes ~/.config/dnah/config.json, so that `dnah` finds the platform. */
  readonly writeConfig: boolean;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The flags as the command line gives them. */
export interface UpFlags {
  readonly dataDir: string;
  readonly runDir: string;
  readonly listen: string;
  readonly hostdListen: string;
  readonly edgeListen: string;
  readonly databaseUrl?: string;
  readonly bundle?: string;
  readonly vhostDeviceVsock?: string;
  readonly cloudHypervisor?: string;
  readonly vmm?: string;
  readonly logLevel: string;
  readonly config: boolean;
}

export function readUpOptions(flags: UpFlags, env: NodeJS.ProcessEnv): UpOptions {
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
    listen: readAddress("--listen", flags.listen),
    hostdListen: readAddress("--hostd-listen", flags.hostdListen),
    edgeListen: readAddress("--edge-listen", flags.edgeListen),
    databaseUrl: flags.databaseUrl ?? env.DNAH_DATABASE_URL,
    bundle: resolve(bundle),
    vhostDeviceVsock: flags.vhostDeviceVsock ?? env.DNAH_VHOST_DEVICE_VSOCK ?? setup.vhostDeviceVsock,
    cloudHypervisor: flags.cloudHypervisor ?? env.DNAH_CLOUD_HYPERVISOR,
    vmm: flags.vmm ?? env.DNAH_VMM ?? "auto",
    logLevel: flags.logLevel,
    serverEnv: pick(env, ["DNAH_PUBLIC_URL", "DNAH_DOMAIN"]),
    hostdEnv: pick(env, ["DNAH_EDGE_URL", "DNAH_EDGE_TLS_CERT", "DNAH_EDGE_TLS_KEY"]),
    writeConfig: flags.config,
  };
}

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
