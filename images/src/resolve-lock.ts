import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type AptEnvironment, createAptRoot } from "./apt-root.ts";
import type { DebianArchitecture } from "./architecture.ts";
import { requestedPackages } from "./base-packages.ts";
import { BuildError } from "./build-error.ts";
import type { Lock, LockedPackage, PackageGroup } from "./lock.ts";
import type { Mirrors } from "./mirror.ts";
import { run } from "./run.ts";

/** Asks the archives what the recipe's packages come to at present. `dir` is scratch space. */
export async function resolveLock(
  options: { dir: string; suite: string; architecture: DebianArchitecture; mirrors: Mirrors },
  { signal, progress }: { signal?: AbortSignal | undefined; progress: (line: string) => void },
): Promise<Lock> {
  const { dir, suite, architecture, mirrors } = options;
  progress(`resolving ${suite} ${architecture} from ${mirrors.main} and ${mirrors.security}`);
  const env = await createAptRoot(options, { signal });
  await run(["apt-get", "update", "-q", "-o", "APT::Update::Error-Mode=any"], { env, signal });
  const meta = `linux-image-cloud-${architecture}`;
  const isKernel = (item: LockedPackage) => /^linux-image-\d/.test(item.name);
  const solve = async (names: readonly string[]) =>
    parsePrintUris((await solveUris(env, names, signal)).toString(), mirrors);
  const kernel = (await solve([meta])).filter(isKernel);
  if (kernel.length !== 1)
    throw new BuildError(`${meta} of ${suite} does not lead to exactly one kernel package, so no kernel can be locked`);
  const found: Record<PackageGroup, LockedPackage[]> = {
    kernel,
    tools: await solve(requestedPackages.tools),
    base: await solve(requestedPackages.base),
  };
  const packages = new Map(
    Object.values(found)
      .flat()
      .map((item) => [item.name, item]),
  );
  const namesOf = (group: PackageGroup) => found[group].map((item) => item.name).sort();
  return {
    formatVersion: 1,
    distribution: "debian",
    suite,
    architecture,
    sourceDateEpoch: await newestRelease(join(dir, "state/lists")),
    packages: [...packages.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    groups: { kernel: namesOf("kernel"), tools: namesOf("tools"), base: namesOf("base") },
  };
}

function solveUris(env: AptEnvironment, names: readonly string[], signal: AbortSignal | undefined): Promise<Buffer> {
  return run(["apt-get", "install", "-q", "-y", "--no-install-recommends", "--print-uris", ...names], { env, signal });
}

/** Reads `apt-get --print-uris`: `'uri' name_version_arch.deb size SHA256:hash`, one package a line. */
export function parsePrintUris(text: string, mirrors: Mirrors): LockedPackage[] {
  const found: LockedPackage[] = [];
  for (const line of text.split("\n")) {
    const match = /^'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})$/.exec(line.trim());
    if (match === null) {
      if (line.startsWith("'"))
        throw new BuildError(`apt gave no SHA-256 for ${line.split(" ")[1]}: its mirror cannot be locked`);
      continue;
    }
    const [, uri = "", file = "", size = "", sha256 = ""] = match;
    // The security mirror's address often starts with the main one's, so it is tried first.
    const archive = (["security", "main"] as const).find((name) => uri.startsWith(`${mirrors[name]}/`));
    if (archive === undefined) throw new BuildError(`apt answered with ${uri}, which is on neither mirror`);
    const [name = "", version = ""] = file.split("_").map(decodeURIComponent);
    found.push({
      name,
      version,
      archive,
      filename: decodeURIComponent(uri.slice(mirrors[archive].length + 1)),
      sizeBytes: Number(size),
      sha256,
    });
  }
  return found;
}

/** The newest `Date:` among the archives' signed Release files: a time that depends on what was resolved, not on when. */
async function newestRelease(lists: string): Promise<number> {
  let newest = 0;
  for (const name of await readdir(lists)) {
    if (!name.endsWith("Release")) continue;
    const date = /^Date: (.+)$/m.exec(await readFile(join(lists, name), "utf8"))?.[1];
    if (date !== undefined) newest = Math.max(newest, Math.floor(Date.parse(date) / 1000));
  }
  if (newest === 0) throw new BuildError("apt's lists have no Release file with a date; check the mirror");
  return newest;
}
