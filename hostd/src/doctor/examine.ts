/** Examines this host: by trying each thing, never by a file's mere existence. */
import { lookup } from "node:dns/promises";
import { existsSync } from "node:fs";
import { mkdir, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { probeCgroup } from "../host/cgroup/apply.ts";
import { probeCopyMethod, readDiskSpace } from "../host/disk/apply.ts";
import { createCommandRunner, executablePath } from "../host/exec.ts";
import type { Finding } from "./finding.ts";

const runner = createCommandRunner();
const mib = 1024 * 1024;

export async function examineUser(): Promise<Finding> {
  const uid = process.getuid?.();
  if (uid === 0) return { name: "root", good: "yes", detail: "running as root" };
  return { name: "root", good: "no", detail: `running as uid ${uid}`, mend: "run the host daemon, and this, as root" };
}

/** A program that answers `--version`. */
export async function examineProgram(
  name: string,
  program: string,
  lack: { readonly good: "limited" | "no"; readonly mend: string },
  options: { readonly signal: AbortSignal },
): Promise<Finding> {
  try {
    const path = await executablePath(program);
    const { stdout, stderr } = await runner.run([path, "--version"], options);
    return { name, good: "yes", detail: `${(stdout || stderr).split("\n")[0]} (${path})` };
  } catch (error) {
    return { name, detail: `${program}: ${firstLine(error)}`, ...lack };
  }
}

export async function examineReflinks(dataDir: string): Promise<Finding> {
  const name = "reflinks";
  try {
    await mkdir(dataDir, { recursive: true });
    if ((await probeCopyMethod(dataDir)) === "reflink") {
      return { name, good: "yes", detail: `files in ${dataDir} can share blocks` };
    }
  } catch (error) {
    return { name, good: "no", detail: `${dataDir}: ${firstLine(error)}`, mend: "choose another --data-dir" };
  }
  const detail = `the file system of ${dataDir} has none: root disks are copied, block by block that is not empty`;
  return { name, good: "limited", detail, mend: "put the data on XFS (mkfs.xfs -m reflink=1) or Btrfs" };
}

export async function examineSpace(dataDir: string): Promise<Finding> {
  const folder = existsSync(dataDir) ? dataDir : dirname(dataDir);
  const { availableBytes } = await readDiskSpace(folder);
  const free = `${Math.floor(availableBytes / mib)} MiB free in ${folder}`;
  if (availableBytes > 8192 * mib) return { name: "disk space", good: "yes", detail: free };
  const good = availableBytes > 2048 * mib ? "limited" : "no";
  return { name: "disk space", good, detail: free, mend: "make room: a sandbox takes up to its disk's size" };
}

/** Names of sandboxes' ports, where DNAH_DOMAIN is `localhost`. */
export async function examineLocalNames(): Promise<Finding> {
  const name = "*.localhost";
  const { address } = await lookup("80-sandbox.localhost").catch(() => ({ address: "" }));
  if (/^127\.|^::1$/.test(address)) return { name, good: "yes", detail: `is ${address}: ports' addresses work` };
  const detail = "is unknown to this system: ports' addresses work in browsers and curl alone";
  return {
    name,
    good: "limited",
    detail,
    mend: "apt-get install libnss-myhostname, or set DNAH_DOMAIN (docs/edge.md)",
  };
}

export async function examineMemory(): Promise<Finding> {
  const available = /^MemAvailable:\s+(\d+) kB/m.exec(await readFile("/proc/meminfo", "utf8"))?.[1];
  const mebibytes = Math.floor(Number(available) / 1024);
  const detail = `${mebibytes} MiB available`;
  if (mebibytes >= 2048) return { name: "memory", good: "yes", detail };
  return { name: "memory", good: "limited", detail, mend: "a sandbox takes 512 MiB where none is asked for" };
}

export async function examineCgroups(): Promise<Finding> {
  const support = await probeCgroup();
  if (support.limits === "available") {
    return {
      name: "cgroup limits",
      good: "yes",
      detail: `controllers ${support.controllers.join(", ")} in ${support.root}`,
    };
  }
  const mend = "boot with systemd.unified_cgroup_hierarchy=1, and hand the controllers down to this service";
  return { name: "cgroup limits", good: "limited", detail: `limits: unavailable (${support.reason})`, mend };
}

/** The device is opened: present and refused is as bad as absent. */
export async function examineTun(): Promise<Finding> {
  const name = "tun/tap";
  try {
    await (await open("/dev/net/tun", "r+")).close();
    return { name, good: "yes", detail: "/dev/net/tun opens" };
  } catch (error) {
    return {
      name,
      good: "limited",
      detail: firstLine(error),
      mend: "modprobe tun (needed once sandboxes have a network)",
    };
  }
}

export async function examineNft(options: { readonly signal: AbortSignal }): Promise<Finding> {
  const name = "nftables";
  try {
    await runner.run(["nft", "list", "tables"], options);
    return { name, good: "yes", detail: "nft lists tables" };
  } catch (error) {
    const mend = "apt-get install nftables; the kernel needs nf_tables (needed once sandboxes have a network)";
    return { name, good: "limited", detail: firstLine(error), mend };
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] as string;
}
