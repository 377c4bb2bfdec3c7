import { copyFile, link, mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { BuildError } from "./build-error.ts";
import { sha256Of } from "./digest.ts";
import { packagePath } from "./fetch-packages.ts";
import type { LockedPackage } from "./lock.ts";
import { run } from "./run.ts";

/** Documentation, and translations of programs' messages: a quarter of the tree, which an agent's sandbox does not read. */
export const dpkgExcludes: readonly string[] = [
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright",
  "path-exclude=/usr/share/man/*",
  "path-exclude=/usr/share/info/*",
  "path-exclude=/usr/share/locale/*",
  "path-include=/usr/share/locale/locale.alias",
  "path-exclude=/usr/share/lintian/*",
];

/** Makes a Debian tree in `dir` out of exactly these packages. `scratch` is on the cache's file system. */
export async function makeRootTree(
  options: {
    root: string;
    scratch: string;
    dir: string;
    suite: string;
    packages: readonly LockedPackage[];
    epoch: number;
  },
  { signal, progress }: { signal?: AbortSignal | undefined; progress: (line: string) => void },
): Promise<void> {
  const { root, scratch, dir, suite, packages, epoch } = options;
  if (process.getuid?.() !== 0)
    throw new BuildError(
      "a template's files belong to root and other users, so building one needs root: run it with sudo",
    );
  const repository = join(scratch, "repository");
  await writeFlatRepository(root, repository, suite, packages, signal);
  progress(`installing ${packages.length} packages into the template (about half a minute)`);
  const argv = [
    // A mount namespace of its own: whatever mmdebstrap mounts is gone with it, even if it is killed.
    ...["unshare", "--mount", "--propagation", "private", "--"],
    ...["mmdebstrap", "--mode=root", "--variant=apt", "--format=directory"],
    ...dpkgExcludes.map((line) => `--dpkgopt=${line}`),
    "--dpkgopt=force-unsafe-io", // A killed build starts over, so fsync buys nothing.
    `--include=${packages.map((item) => item.name).join(",")}`,
    ...[suite, dir, `deb [trusted=yes] copy:${repository} ./`],
  ];
  const env = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/root",
    LC_ALL: "C.UTF-8",
    TZ: "UTC",
    TMPDIR: scratch,
    PYTHONHASHSEED: "0",
    SOURCE_DATE_EPOCH: String(epoch),
  };
  await run(argv, {
    env,
    signal,
    onLine: (line) => line.startsWith("I: ") && progress(`mmdebstrap: ${line.slice(3)}`),
  });
}

/** Lays out a repository of just the locked files, trusted because their digests were verified against the lock. */
async function writeFlatRepository(
  root: string,
  dir: string,
  suite: string,
  packages: readonly LockedPackage[],
  signal?: AbortSignal,
): Promise<void> {
  await mkdir(dir, { recursive: true });
  const stanzas = await Promise.all(
    packages.map(async (item) => {
      const file = basename(item.filename);
      const cached = packagePath(root, item);
      await link(cached, join(dir, file)).catch(() => copyFile(cached, join(dir, file)));
      const control = (await run(["dpkg-deb", "--field", cached], { signal })).toString().trimEnd();
      return `${control}\nFilename: ./${file}\nSize: ${item.sizeBytes}\nSHA256: ${item.sha256}\n`;
    }),
  );
  const index = stanzas.join("\n");
  await writeFile(join(dir, "Packages"), index);
  // mmdebstrap finds the essential packages by the codename of the archive they are in.
  const release = `Origin: Debian\nSuite: ${suite}\nCodename: ${suite}\nSHA256:\n ${sha256Of(index)} ${Buffer.byteLength(index)} Packages\n`;
  await writeFile(join(dir, "Release"), release);
}
