import { basename } from "node:path";
import { BuildError } from "./build-error.ts";

/**
 * What the agent loads before it can see its disks, its network and the host, in this order. Both flavours of a
 * machine's devices (legacy and modern virtio) are there, since VMMs differ.
 */
export const earlyModules: readonly string[] = [
  "virtio_ring",
  "virtio",
  "virtio_pci_legacy_dev",
  "virtio_pci_modern_dev",
  "virtio_pci",
  "virtio_console", // Where the console is hvc0.
  "failover",
  "net_failover",
  "virtio_net",
  "virtio_blk",
  "vsock",
  "vmw_vsock_virtio_transport_common",
  "vmw_vsock_virtio_transport",
  "ext4", // The root disk and the module disk.
  "crc32c_generic", // ext4's checksums ask for it by alias, which modules.dep does not show.
];

/** Gives the module files to load, each after what it depends on; those built into the kernel fall out. */
export function orderModules(wanted: readonly string[], modulesDep: string, modulesBuiltin: string): string[] {
  const builtin = new Set(modulesBuiltin.split("\n").map(moduleName));
  const files = new Map<string, { file: string; needs: string[] }>();
  for (const line of modulesDep.split("\n")) {
    const [file = "", needs = ""] = line.split(":");
    if (file === "") continue;
    files.set(moduleName(file), { file, needs: needs.split(" ").filter((need) => need !== "") });
  }
  const ordered = new Set<string>();
  const load = (name: string) => {
    if (builtin.has(name)) return;
    const entry = files.get(name);
    if (entry === undefined) throw new BuildError(`the kernel has no module ${name}, neither built in nor as a file`);
    // modules.dep lists the nearest dependency first: the farthest has to be loaded first.
    for (const need of entry.needs.toReversed()) ordered.add(need);
    ordered.add(entry.file);
  };
  wanted.forEach(load);
  return [...ordered];
}

/** A module's name by its file: `kernel/net/vmw-vsock.ko.xz` is `vmw_vsock`. */
export function moduleName(file: string): string {
  return basename(file)
    .replace(/\.ko(\.(gz|xz|zst))?$/, "")
    .replaceAll("-", "_");
}
