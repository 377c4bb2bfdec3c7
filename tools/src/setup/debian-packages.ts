/** The Debian packages that building and running need, and their installation. */
import { existsSync, statfsSync } from "node:fs";
import { hostPackages } from "../../../images/src/host-packages.ts";
import { run } from "./command.ts";

const qemu = { x64: "qemu-system-x86", arm64: "qemu-system-arm" } as Record<string, string>;

export const platformPackages = [
  qemu[process.arch] ?? "qemu-system-x86",
  ...hostPackages,
  "build-essential", // linker and C library for the agent and the vsock device
  "ca-certificates",
  "passwd", // useradd, for the account that PostgreSQL runs under
  "procps",
  "util-linux", // setpriv
];

/** What the tests need beside them. */
export const testPackages = [
  "chromium", // the browser that looks at ports and runs the client
  "python3-venv", // the Python client, and a gRPC client of another stack
  "iproute2", // network namespaces
  "xfsprogs", // a file system with reflinks
];

export async function missingPackages(wanted: readonly string[]): Promise<string[]> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the format language of dpkg-query.
  const known = await run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"]);
  const installed = new Set(
    known
      .split("\n")
      .filter((line) => line.endsWith(" installed"))
      .map((line) => line.split(" ")[0]),
  );
  return wanted.filter((name) => !installed.has(name));
}

export async function installPackages(names: readonly string[], note: (line: string) => void): Promise<void> {
  if (!existsSync("/usr/bin/apt-get")) {
    throw new Error(`these programs' packages are missing and there is no apt-get to install them: ${names.join(" ")}`);
  }
  const asRoot = process.getuid?.() === 0 ? [] : ["sudo", "--"];
  if (asRoot.length > 0 && !existsSync("/usr/bin/sudo")) {
    throw new Error(`packages are missing (${names.join(" ")}): run this as root, or install sudo.`);
  }
  note(names.join(" "));
  const env = ["env", "DEBIAN_FRONTEND=noninteractive"];
  await run([...asRoot, ...env, "apt-get", "update", "-qq"]);
  const show = (line: string) => {
    if (/^(Get:|Setting up )/.test(line)) note(line);
  };
  const install = ["apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"];
  await run([...asRoot, ...env, ...install, ...names], { onLine: show });
}

/** Throws one clear sentence where a folder's disk has too little room. */
export function requireSpace(folder: string, mebibytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = Math.floor((bavail * bsize) / 1024 / 1024);
  if (free < mebibytes)
    throw new Error(`${folder} has ${free} MiB free, and ${mebibytes} MiB are needed: make room, then run this again.`);
}
