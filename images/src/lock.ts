import type { DebianArchitecture } from "./architecture.ts";
import { BuildError } from "./build-error.ts";

/** Which of Debian's two archives holds a file; the mirrors for them differ. */
export type Archive = "main" | "security";

export type LockedPackage = {
  readonly name: string;
  readonly version: string;
  readonly archive: Archive;
  /** Path below the archive's root, such as `pool/main/b/bash/bash_5.2_amd64.deb`. */
  readonly filename: string;
  readonly sizeBytes: number;
  readonly sha256: string;
};

/** What a package is for. `tools` run on the build host but come from the lock, so that its release has no say in the bytes. */
export type PackageGroup = "kernel" | "tools" | "base";
export const packageGroups: readonly PackageGroup[] = ["kernel", "tools", "base"];

export type Lock = {
  readonly formatVersion: 1;
  readonly distribution: "debian";
  readonly suite: string;
  readonly architecture: DebianArchitecture;
  /** The time every build from this lock pretends it is, in seconds. */
  readonly sourceDateEpoch: number;
  /** Sorted by name. A package may serve several groups. */
  readonly packages: readonly LockedPackage[];
  readonly groups: Readonly<Record<PackageGroup, readonly string[]>>;
};

const packageFields = ["name", "version", "filename", "sha256"] as const;

/** Parses a lock file, or says what is wrong with it. `origin` names the file in the message. */
export function parseLock(text: string, origin: string): Lock {
  const wrong = (what: string) =>
    new BuildError(`${origin}: ${what}; restore it from git or refresh it with \`node images/src/refresh-lock.ts\``);
  let lock: Lock;
  try {
    lock = JSON.parse(text) as Lock;
  } catch (cause) {
    throw new BuildError(`${origin} is not JSON; restore it from git`, { cause });
  }
  if (lock.formatVersion !== 1) throw wrong(`formatVersion is ${String(lock.formatVersion)}, and this version reads 1`);
  if (!Number.isSafeInteger(lock.sourceDateEpoch)) throw wrong("sourceDateEpoch is not a whole number of seconds");
  if (!Array.isArray(lock.packages)) throw wrong("packages is not a list");
  const names = new Set<string>();
  for (const item of lock.packages) {
    const missing = packageFields.find((field) => typeof item[field] !== "string" || item[field] === "");
    if (missing !== undefined) throw wrong(`package ${String(item.name)} has no ${missing}`);
    if (!/^[0-9a-f]{64}$/.test(item.sha256)) throw wrong(`package ${item.name} has a sha256 that is not one`);
    if (item.archive !== "main" && item.archive !== "security")
      throw wrong(`package ${item.name} is in no known archive`);
    // The file name is joined to a URL and a path: it must stay below both.
    if (!/^pool\/[\w.+~/-]+\.deb$/.test(item.filename) || item.filename.includes(".."))
      throw wrong(`package ${item.name} has the odd filename ${item.filename}`);
    if (names.has(item.name)) throw wrong(`package ${item.name} is listed twice`);
    names.add(item.name);
  }
  for (const group of packageGroups) {
    const members = lock.groups?.[group];
    if (!Array.isArray(members) || members.length === 0) throw wrong(`group ${group} is missing or empty`);
    const stranger = members.find((name) => !names.has(name));
    if (stranger !== undefined) throw wrong(`group ${group} names ${stranger}, which is not among the packages`);
  }
  return lock;
}

/** The packages of one group, in the lock's order. */
export function packagesOf(lock: Lock, group: PackageGroup): readonly LockedPackage[] {
  const members = new Set(lock.groups[group]);
  return lock.packages.filter((item) => members.has(item.name));
}

/** The lock as committed: one package per line, so that a refresh is a readable diff. */
export function formatLock(lock: Lock): string {
  const { packages, groups, ...head } = lock;
  const lines = packages.map((item) => `    ${JSON.stringify(item)}`).join(",\n");
  const members = packageGroups
    .map((group) => `    ${JSON.stringify(group)}: ${JSON.stringify(groups[group])}`)
    .join(",\n");
  const top = Object.entries(head).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},\n`);
  return `{\n${top.join("")}  "packages": [\n${lines}\n  ],\n  "groups": {\n${members}\n  }\n}\n`;
}
