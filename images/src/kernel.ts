import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Architecture } from "./architecture.ts";
import { BuildError } from "./build-error.ts";
import { cachedDir, exists } from "./cache.ts";
import { decompress } from "./decompress.ts";
import { digestOfSources, keyOf } from "./digest.ts";
import { packagePath } from "./fetch-packages.ts";
import { findKernelPayload, isArm64Image, isElf } from "./kernel-payload.ts";
import { type Lock, packagesOf } from "./lock.ts";
import { run } from "./run.ts";
import type { Toolbox } from "./toolbox.ts";

/** The distribution's kernel, unpacked: what to boot, and the directory `lib/modules/<release>` with depmod's files. */
export type Kernel = { readonly file: string; readonly version: string; readonly tree: string; readonly key: string };

/** Unpacks the locked kernel package, unmodified and never installed, and takes the bootable kernel out of it. */
export async function unpackKernel(
  root: string,
  lock: Lock,
  architecture: Architecture,
  toolbox: Toolbox,
  { signal, progress }: { signal?: AbortSignal | undefined; progress: (line: string) => void },
): Promise<Kernel> {
  const item = packagesOf(lock, "kernel")[0];
  if (item === undefined)
    throw new BuildError("the lock has no kernel package; refresh it with `node images/src/refresh-lock.ts`");
  const recipe = await digestOfSources(["kernel.ts", "kernel-payload.ts", "decompress.ts"]);
  const key = keyOf({ recipe, package: item.sha256, tools: packagesOf(lock, "tools").map((tool) => tool.sha256) });
  const dir = await cachedDir(root, join("kernels", key), async (scratch) => {
    progress(`unpacking ${item.name} ${item.version}`);
    await run(["dpkg-deb", "-x", packagePath(root, item), join(scratch, "package")], { signal });
    const vmlinuz = (await readdir(join(scratch, "package/boot"))).find((name) => name.startsWith("vmlinuz-"));
    if (vmlinuz === undefined) throw new BuildError(`${item.name} has no boot/vmlinuz: it is not a kernel package`);
    const payload = findKernelPayload(await readFile(join(scratch, "package/boot", vmlinuz)));
    const kernel = await decompress(payload.compression, payload.bytes, toolbox, signal);
    if (!(architecture.machine === "x86_64" ? isElf(kernel) : isArm64Image(kernel))) {
      throw new BuildError(`${item.name} holds no ${architecture.machine} kernel where one was expected`);
    }
    await writeFile(join(scratch, "kernel"), kernel, { mode: 0o444 });
    // A merged-/usr release ships usr/lib/modules; the tree handed on is lib/modules for all.
    const modules = (await exists(join(scratch, "package/lib/modules")))
      ? "package/lib/modules"
      : "package/usr/lib/modules";
    await mkdir(join(scratch, "tree/lib"), { recursive: true });
    await rename(join(scratch, modules), join(scratch, "tree/lib/modules"));
    // Debian's package leaves depmod to its postinst, which never runs here.
    await toolbox.run(["sbin/depmod", "-b", join(scratch, "tree"), await releaseIn(join(scratch, "tree"))], { signal });
    await run(["rm", "-rf", join(scratch, "package")], { signal });
  });
  return { file: join(dir, "kernel"), tree: join(dir, "tree"), version: await releaseIn(join(dir, "tree")), key };
}

async function releaseIn(tree: string): Promise<string> {
  const [release, ...more] = await readdir(join(tree, "lib/modules"));
  if (release === undefined || more.length > 0)
    throw new BuildError("the kernel package must bring exactly one lib/modules/<release>");
  return release;
}
