import type { Vmm } from "./vmm.ts";

/**
 * Starts VMs by the first driver, and knows those of the others: what runs was started before this host's driver changed,
 * and runs on.
 */
export function severalVmms(first: Vmm, others: readonly Vmm[]): Vmm {
  const all = [first, ...others];
  return {
    name: first.name,
    capabilities: first.capabilities,
    unavailable: (options) => first.unavailable(options),
    memoryClass: (options) => first.memoryClass(options),
    boot: (config, options) => first.boot(config, options),
    restore: (config, snapshotDir, options) => first.restore(config, snapshotDir, options),
    adopt: (handle, options) => (all.find(({ name }) => name === handle.driver) ?? first).adopt(handle, options),
    sweep: async (config) => {
      for (const vmm of all) {
        await vmm.sweep(config);
      }
    },
    close: () => {
      for (const vmm of all) {
        vmm.close();
      }
    },
  };
}
