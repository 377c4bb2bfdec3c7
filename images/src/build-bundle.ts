import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { architectureOf } from "./architecture.ts";
import { type Artifact, cachedArtifact } from "./artifact.ts";
import { BuildError } from "./build-error.ts";
import type { Bundle } from "./bundle.ts";
import { cacheDirOf, exists } from "./cache.ts";
import { checkHost } from "./check-host.ts";
import { digestOfSources, keyOf, sha256Of } from "./digest.ts";
import { initramfsSources, writeInitramfs } from "./initramfs.ts";
import { unpackKernel } from "./kernel.ts";
import { type Lock, packagesOf, parseLock } from "./lock.ts";
import { defaultSuite, lockPath } from "./lock-path.ts";
import { chooseMirrors, readHostSources } from "./mirror.ts";
import { moduleDiskFilesystem, moduleDiskSources, writeModuleDisk } from "./module-disk.ts";
import { placeFile } from "./place-file.ts";
import { baseTemplate, templateSources, writeBaseTemplate } from "./template.ts";
import { openToolbox } from "./toolbox.ts";
import { makeUsableLock } from "./usable-lock.ts";

export type BuildOptions = {
  /** The static agent binary that becomes the guest's /init. */
  readonly agent: string;
  /** Where to put the bundle; by default in the cache, named by content. */
  readonly out?: string | undefined;
  /** Only the lock's own packages will do. */
  readonly locked?: boolean | undefined;
  /** Where artifacts and packages are cached. */
  readonly cacheDir?: string | undefined;
};

export type BuildContext = {
  readonly signal?: AbortSignal | undefined;
  readonly progress: (line: string) => void;
};

export type BuiltBundle = { readonly dir: string; readonly bundle: Bundle };

/** Builds, or finds in the cache, all that a guest boots from, and gathers it in one directory. */
export async function buildBundle(options: BuildOptions, { signal, progress }: BuildContext): Promise<BuiltBundle> {
  const architecture = architectureOf(process.arch);
  const root = join(resolve(options.cacheDir ?? cacheDirOf(process.env)), "images");
  const agent = await readAgent(options.agent);
  const path = lockPath(defaultSuite, architecture.debian);
  const text = await readFile(path, "utf8").catch((cause) => {
    throw new BuildError(
      `there is no lock ${path}: make it with \`node images/src/refresh-lock.ts --arch ${architecture.debian}\``,
      { cause },
    );
  });
  await mkdir(root, { recursive: true });
  const committed = parseLock(text, path);
  // A cached template asks neither for root nor for space.
  if (!(await exists(join(root, "artifacts", `base-${await templateKey(committed)}`)))) await checkHost(root);
  const mirrors = chooseMirrors(process.env, await readHostSources());
  const context = { signal, progress };
  const { lock, drifted } = await makeUsableLock(
    { root, lock: committed, mirrors, strict: options.locked ?? false },
    context,
  );
  const toolbox = await openToolbox(root, lock, architecture, signal);
  const kernel = await unpackKernel(root, lock, architecture, toolbox, context);
  const epoch = lock.sourceDateEpoch;

  const initramfsKey = keyOf({
    kernel: kernel.key,
    agent: sha256Of(agent),
    recipe: await digestOfSources(initramfsSources),
  });
  const initramfs = await cachedArtifact(root, "initramfs", initramfsKey, (file) =>
    writeInitramfs(file, { kernel, agent, toolbox }, signal),
  );

  const moduleDiskKey = keyOf({ kernel: kernel.key, epoch, recipe: await digestOfSources(moduleDiskSources) });
  const moduleDisk = await cachedArtifact(root, "modules", moduleDiskKey, (file) => {
    progress("writing the module disk");
    return writeModuleDisk(file, { kernel, epoch, toolbox }, signal);
  });
  const base = await cachedArtifact(root, "base", await templateKey(lock), (file, scratch) =>
    writeBaseTemplate(file, { root, scratch, lock, toolbox }, context),
  );
  const kernelFile = await cachedArtifact(root, "kernel", kernel.key, (file) => placeFile(kernel.file, file));

  const files = {
    kernel: named(kernelFile, "vmlinux", ""),
    initramfs: named(initramfs, "initramfs", ".cpio"),
    moduleDisk: named(moduleDisk, "modules", `.${moduleDiskFilesystem}`),
    base: named(base, baseTemplate.name, ".ext4"),
  };
  const versionOf = (name: string) => packagesOf(lock, "base").find((item) => item.name === name)?.version ?? "";
  const bundle: Bundle = {
    formatVersion: 1,
    architecture: architecture.machine,
    kernel: { ...files.kernel.entry, version: kernel.version },
    initramfs: files.initramfs.entry,
    moduleDisk: { ...files.moduleDisk.entry, filesystem: moduleDiskFilesystem },
    templates: [
      {
        name: baseTemplate.name,
        ...files.base.entry,
        sizeBytes: baseTemplate.sizeBytes,
        description: baseTemplate.description,
        packages: Object.fromEntries(baseTemplate.notable.map((name) => [name, versionOf(name)])),
      },
    ],
    drifted,
  };
  const dir = resolve(options.out ?? join(root, "bundles", keyOf(bundle)));
  await writeBundle(dir, bundle, Object.values(files));
  return { dir, bundle };
}

async function templateKey(lock: Lock): Promise<string> {
  const digests = [...packagesOf(lock, "base"), ...packagesOf(lock, "tools")].map((item) => item.sha256);
  return keyOf({
    digests,
    suite: lock.suite,
    epoch: lock.sourceDateEpoch,
    recipe: await digestOfSources(templateSources),
  });
}

type NamedFile = { readonly source: string; readonly entry: { readonly file: string; readonly sha256: string } };

/** Content is part of the name: a rebuilt bundle never changes a file under a guest that was started from it. */
function named(artifact: Artifact, name: string, extension: string): NamedFile {
  const file = `${name}-${artifact.sha256.slice(0, 12)}${extension}`;
  return { source: artifact.path, entry: { file, sha256: artifact.sha256 } };
}

/** Places the files, then the description in one step: whoever reads bundle.json finds all that it names. */
async function writeBundle(dir: string, bundle: Bundle, files: readonly NamedFile[]): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const { source, entry } of files) await placeFile(source, join(dir, entry.file));
  const path = join(dir, "bundle.json");
  const text = `${JSON.stringify(bundle, null, 2)}\n`;
  if ((await exists(path)) && (await readFile(path, "utf8")) === text) return;
  await writeFile(`${path}.${process.pid}.new`, text);
  await rename(`${path}.${process.pid}.new`, path);
}

async function readAgent(path: string): Promise<Buffer> {
  const bytes = await readFile(path).catch((cause) => {
    throw new BuildError(
      `there is no agent binary at ${path}: build it with \`cargo build --release\` in invm/, or name one with --agent`,
      { cause },
    );
  });
  if (bytes.subarray(0, 4).toString("latin1") !== "\x7fELF")
    throw new BuildError(`${path} is no ELF program: --agent wants the static invm binary`);
  return bytes;
}
