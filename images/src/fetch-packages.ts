import { chmod, mkdir, rename } from "node:fs/promises";
import { basename, join } from "node:path";
import { BuildError } from "./build-error.ts";
import { createScratch, exists } from "./cache.ts";
import { sha256OfFile } from "./digest.ts";
import type { LockedPackage } from "./lock.ts";
import type { Mirrors } from "./mirror.ts";
import { runToEnd } from "./run.ts";

const aptHelper = "/usr/lib/apt/apt-helper";

/** A mirror that answers, but no longer has a version the lock names: Debian keeps the present ones only. */
export class PackageGone extends Error {
  override readonly name = "PackageGone";
}

/** Where the cache keeps a package. Named by content, so that locks, suites and architectures share it. */
export function packagePath(root: string, item: LockedPackage): string {
  return join(root, "debs", `${item.sha256}.deb`);
}

/** Fetches what the cache does not have yet, through apt (its proxies, its credentials), and verifies each digest. */
export async function fetchPackages(
  root: string,
  packages: readonly LockedPackage[],
  mirrors: Mirrors,
  { signal, progress }: { signal?: AbortSignal | undefined; progress: (line: string) => void },
): Promise<void> {
  const missing: LockedPackage[] = [];
  for (const item of packages) if (!(await exists(packagePath(root, item)))) missing.push(item);
  if (missing.length === 0) return;
  const bytes = missing.reduce((sum, item) => sum + item.sizeBytes, 0);
  progress(`fetching ${missing.length} packages, ${Math.ceil(bytes / 1e6)} MB, from ${mirrors.main}`);
  await mkdir(join(root, "debs"), { recursive: true });
  await using scratch = await createScratch(root);
  const triples = missing.flatMap((item) => [
    urlOf(item, mirrors),
    join(scratch.dir, basename(item.sha256)),
    `SHA256:${item.sha256}`,
  ]);
  const env = { ...(process.env as Record<string, string>), LC_ALL: "C.UTF-8" };
  const options = ["-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3"];
  const { code, stdout, stderr } = await runToEnd([aptHelper, ...options, "download-file", ...triples], {
    signal,
    env,
  });
  // What did arrive is kept, so that the next attempt fetches the rest only.
  for (const item of missing) {
    const file = join(scratch.dir, item.sha256);
    if (!(await exists(file)) || (await sha256OfFile(file)) !== item.sha256) continue;
    await chmod(file, 0o644);
    await rename(file, packagePath(root, item));
  }
  if (code === 0) return;
  const lines = `${stdout.toString()}\n${stderr}`.split("\n");
  if (lines.some((line) => /\b(404|410)\b|File not found/i.test(line))) {
    const gone: string[] = [];
    for (const item of missing) {
      if (!(await exists(packagePath(root, item)))) gone.push(`${item.name} ${item.version}`);
    }
    throw new PackageGone(
      gone.length > 3 ? `${gone.slice(0, 3).join(", ")} and ${gone.length - 3} more` : gone.join(", "),
    );
  }
  const reason =
    lines
      .find((line) => /^E:/.test(line))
      ?.replace(/^E:\s*/, "")
      .trim() ?? `${aptHelper} ended with exit code ${code}`;
  throw new BuildError(
    `could not fetch packages (${reason}): check the network, or set DNAH_DEBIAN_MIRROR to a Debian mirror that answers`,
  );
}

function urlOf(item: LockedPackage, mirrors: Mirrors): string {
  // Debian's file names have + and ~, which servers differ about when bare.
  return `${mirrors[item.archive]}/${item.filename.split("/").map(encodeURIComponent).join("/")}`;
}
