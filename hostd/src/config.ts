/** The daemon's settings, from its environment. Read once, whole; one error lists every problem. */
import { type HostPort, readHostPort } from "@daytonah/lib/host-port.ts";
import type { LogLevel } from "@daytonah/lib/log.ts";

export interface Config {
  readonly hostId: string;
  readonly listen: HostPort;
  /** The port for clients; none where undefined. */
  readonly edge: EdgeConfig | undefined;
  /** Images, root disks, records: what must outlive a reboot. */
  readonly dataDir: string;
  /** Sockets of VMs. Short: a unix socket's path has room for 108 bytes. */
  readonly runDir: string;
  /** Folder of a bundle to import at start; the last imported where absent. */
  readonly bundle: string | undefined;
  /** ca.pem, host.pem, host.key, bearer. */
  readonly pkiDir: string;
  /** `auto`: cloud-hypervisor where it is there and KVM boots a stock kernel, qemu otherwise. */
  readonly vmm: "auto" | "cloud-hypervisor" | "qemu";
  /** Cloud Hypervisor's program: a path, or a name to look up where commands are. VMs' users must be able to run it. */
  readonly cloudHypervisor: string;
  /** `auto`: restored VMs share the snapshot's memory, where the program can. */
  readonly restoreStrategy: "auto" | "copy";
  /** Program that serves a VM's vsock where it is emulated. */
  readonly vhostDeviceVsock: string | undefined;
  readonly memoryMib: number | undefined;
  /** How often each MiB of memory is offered: over 1 the host counts on guests that don't use all of theirs. */
  readonly memoryOvercommit: number;
  readonly vcpus: number | undefined;
  /** First of the uids of VMs; derived from dataDir where absent. */
  readonly firstUid: number | undefined;
  /** For guests' memory: on tmpfs. */
  readonly memoryDir: string;
  readonly bootMs: number;
  readonly logLevel: LogLevel;
}

export interface EdgeConfig {
  readonly listen: Config["listen"];
  /** Its origin as clients reach it; derived from where it listens where absent. */
  readonly url: string | undefined;
  /** Files with the certificate chain and the key; plaintext where absent. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
}

const longestRunDir = 60;

export function readConfig(env: NodeJS.ProcessEnv): Config {
  const problems: string[] = [];
  const text = (name: string, fallback?: string): string => {
    const value = env[name] || fallback;
    if (value === undefined) problems.push(`${name} is not set`);
    return value ?? "";
  };
  const optional = (name: string) => env[name] || undefined;
  const count = (name: string, least: number, most: number): number | undefined => {
    const value = env[name];
    if (!value) return undefined;
    if (/^\d+$/.test(value) && Number(value) >= least && Number(value) <= most) return Number(value);
    problems.push(`${name} is "${value}", and must be a whole number from ${least} to ${most}`);
    return undefined;
  };
  const oneOf = <T extends string>(name: string, values: readonly T[], fallback: T): T => {
    const value = (env[name] || fallback) as T;
    if (!values.includes(value)) problems.push(`${name} is "${value}", and must be one of ${values.join(", ")}`);
    return value;
  };
  const folder = (name: string, fallback?: string): string => {
    const path = text(name, fallback);
    if (path && !path.startsWith("/")) problems.push(`${name} is "${path}", and must be an absolute path`);
    return path.replace(/\/+$/, "");
  };

  const config: Config = {
    hostId: text("DNAH_HOST_ID"),
    listen: readHostPort("DNAH_HOSTD_LISTEN", text("DNAH_HOSTD_LISTEN", "127.0.0.1:18048"), problems),
    edge: readEdge(text("DNAH_EDGE_LISTEN", "127.0.0.1:18049"), optional, problems),
    dataDir: folder("DNAH_HOSTD_DATA_DIR", "/var/lib/daytonah/hostd"),
    runDir: folder("DNAH_HOSTD_RUN_DIR", "/run/daytonah"),
    bundle: optional("DNAH_BUNDLE"),
    pkiDir: folder("DNAH_PKI_DIR"),
    vmm: oneOf("DNAH_VMM", ["auto", "cloud-hypervisor", "qemu"], "auto"),
    cloudHypervisor: text("DNAH_CLOUD_HYPERVISOR", "cloud-hypervisor"),
    restoreStrategy: oneOf("DNAH_RESTORE_STRATEGY", ["auto", "copy"], "auto"),
    vhostDeviceVsock: optional("DNAH_VHOST_DEVICE_VSOCK"),
    memoryMib: count("DNAH_MEMORY_MIB", 128, 2 ** 30),
    memoryOvercommit: readFactor("DNAH_MEMORY_OVERCOMMIT", text("DNAH_MEMORY_OVERCOMMIT", "1"), problems),
    vcpus: count("DNAH_VCPUS", 1, 2 ** 20),
    firstUid: count("DNAH_VM_FIRST_UID", 0x10000, 2 ** 31 - 4_097),
    memoryDir: folder("DNAH_MEMORY_DIR", "/dev/shm/daytonah"),
    bootMs: count("DNAH_BOOT_TIMEOUT_MS", 100, 3_600_000) ?? 60_000,
    logLevel: oneOf("DNAH_LOG_LEVEL", ["error", "warn", "info", "debug", "silent"], "info"),
  };
  if (config.hostId && !/^[A-Za-z0-9._-]{1,63}$/.test(config.hostId)) {
    problems.push(`DNAH_HOST_ID is "${config.hostId}", and must be 1 to 63 of A-Z a-z 0-9 . _ -`);
  }
  if (config.runDir.length > longestRunDir) {
    problems.push(
      `DNAH_HOSTD_RUN_DIR is ${config.runDir.length} characters long, and may have ${longestRunDir}: it holds unix sockets`,
    );
  }
  if (problems.length > 0) throw new Error(`the settings are wrong:\n  ${problems.join("\n  ")}`);
  return Object.freeze(config);
}

function readEdge(
  listen: string,
  optional: (name: string) => string | undefined,
  problems: string[],
): EdgeConfig | undefined {
  if (listen === "none") return undefined;
  const address = readHostPort("DNAH_EDGE_LISTEN", listen, problems);
  const given = optional("DNAH_EDGE_URL");
  const url = given !== undefined && URL.canParse(given) ? new URL(given) : undefined;
  if (given !== undefined && (!url || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`)) {
    problems.push(`DNAH_EDGE_URL is "${given}", and must be an origin such as https://host1.example.org:18049`);
  }
  if (given === undefined && (address.host === "0.0.0.0" || address.host === "::")) {
    problems.push("DNAH_EDGE_URL is not set, and must be where DNAH_EDGE_LISTEN is every address: clients need one");
  }
  const [certFile, keyFile] = [optional("DNAH_EDGE_TLS_CERT"), optional("DNAH_EDGE_TLS_KEY")];
  if ((certFile === undefined) !== (keyFile === undefined)) {
    problems.push("DNAH_EDGE_TLS_CERT and DNAH_EDGE_TLS_KEY must be set both, or neither");
  }
  return {
    listen: address,
    url: url?.origin,
    tls: certFile !== undefined && keyFile !== undefined ? { certFile, keyFile } : undefined,
  };
}

function readFactor(name: string, text: string, problems: string[]): number {
  if (/^\d(\.\d{1,2})?$/.test(text) && Number(text) >= 1 && Number(text) <= 4) return Number(text);
  problems.push(`${name} is "${text}", and must be a number from 1 to 4, such as 1.5`);
  return 1;
}
