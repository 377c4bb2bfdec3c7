import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CpioEntry, writeCpio } from "./cpio.ts";
import { decompress } from "./decompress.ts";
import type { Kernel } from "./kernel.ts";
import { compressionOf } from "./kernel-payload.ts";
import { earlyModules, moduleName, orderModules } from "./module-order.ts";
import type { Toolbox } from "./toolbox.ts";

export const initramfsSources = ["initramfs.ts", "cpio.ts", "decompress.ts", "kernel-payload.ts", "module-order.ts"];

/**
 * Writes the initramfs: `/init` (the agent), `/modules/NNN-name.ko` with the list `/modules/order`, and mount points.
 * Uncompressed: the VMM puts it straight into the guest's memory, and unpacking is then a copy.
 */
export async function writeInitramfs(
  path: string,
  options: { kernel: Kernel; agent: Buffer; toolbox: Toolbox },
  signal?: AbortSignal,
): Promise<void> {
  const { kernel, agent, toolbox } = options;
  const dir = join(kernel.tree, "lib/modules", kernel.version);
  const files = orderModules(
    earlyModules,
    await readFile(join(dir, "modules.dep"), "utf8"),
    await readFile(join(dir, "modules.builtin"), "utf8"),
  );
  const modules: { name: string; bytes: Buffer }[] = [];
  for (const [index, file] of files.entries()) {
    const packed = await readFile(join(dir, file));
    // init_module takes plain ELF on every kernel; whether it would also decompress depends on the kernel's configuration.
    const bytes = await decompress(compressionOf(packed) ?? "none", packed, toolbox, signal);
    modules.push({ name: `${String(index).padStart(3, "0")}-${moduleName(file)}.ko`, bytes });
  }
  await writeFile(path, writeCpio(initramfsEntries(agent, modules)), { mode: 0o444 });
}

export function initramfsEntries(agent: Buffer, modules: readonly { name: string; bytes: Buffer }[]): CpioEntry[] {
  const dir = (path: string): CpioEntry => ({ t: "dir", path, mode: 0o755 });
  return [
    dir("dev"),
    // The kernel opens it for init's standard streams before anything could mount a devtmpfs.
    { t: "char", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    // Where the console's driver is a module there is none yet: init would end at once, without anything in its place.
    { t: "char", path: "dev/null", mode: 0o666, major: 1, minor: 3 },
    dir("proc"),
    dir("sys"),
    dir("newroot"),
    dir("modules"),
    {
      t: "file",
      path: "modules/order",
      mode: 0o444,
      bytes: Buffer.from(modules.map(({ name }) => `${name}\n`).join("")),
    },
    ...modules.map(({ name, bytes }): CpioEntry => ({ t: "file", path: `modules/${name}`, mode: 0o444, bytes })),
    { t: "file", path: "init", mode: 0o755, bytes: agent },
  ];
}
