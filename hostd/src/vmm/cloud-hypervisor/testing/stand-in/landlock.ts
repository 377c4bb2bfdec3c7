import { realpathSync } from "node:fs";
import { dirname, sep } from "node:path";
import type { ChVmConfig } from "../../api-types.ts";
import { refused } from "./refusal.ts";

/** What landlock would let the VMM open, so far as paths tell: made once, with a VM, and never wider after that. */
export class Landlock {
  readonly #allowed: readonly string[] | undefined;

  constructor(config: ChVmConfig) {
    if (!config.landlock_enable) {
      return;
    }
    const own = [
      ...config.disks.map(({ path }) => path),
      ...(config.memory.zones ?? []).map(({ file }) => file),
      dirname(config.vsock.socket),
      config.console.file,
      config.payload.kernel,
      ...(config.payload.initramfs === undefined ? [] : [config.payload.initramfs]),
    ];
    const rules = (config.landlock_rules ?? []).map(({ path }) => resolve(path));
    this.#allowed = [...rules, ...own];
  }

  require(path: string): void {
    if (this.#allowed !== undefined && !this.#allowed.some((one) => path === one || path.startsWith(one + sep))) {
      throw refused(`landlock has no rule for ${path}`, "Permission denied (os error 13)");
    }
  }
}

function resolve(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    throw refused("Error applying landlock", `Path ${path} does not exist`);
  }
}
