import { accessSync, constants, existsSync, statSync } from "node:fs";
import type { ChDisk, ChNet, ChVmConfig } from "../../api-types.ts";
import { osError, refused } from "./refusal.ts";

/** What `vm.boot` and `vm.restore` look at, and `vm.create` does not. */
export function validateVm(config: ChVmConfig): void {
  const { cpus, memory, payload, disks, net = [], vsock } = config;
  if (cpus.boot_vcpus > cpus.max_vcpus) {
    throw refused("Invalid config", "Boot vCPUs exceed the maximum");
  }
  if (memory.size !== 0 && memory.zones !== undefined) {
    throw refused("Invalid config", "Memory zones given, and a size");
  }
  const ids = [...disks, ...net, ...(memory.zones ?? []), vsock].map(({ id }) => id);
  const wrong = ids.find((id, index) => id.startsWith("__") || ids.indexOf(id) !== index);
  if (wrong !== undefined) {
    throw refused("Invalid config", `Identifier ${wrong} is not unique, or starts with __`);
  }
  if (Buffer.byteLength(vsock.socket) >= 108) {
    throw refused("Cannot create virtio-vsock backend", "path must be shorter than SUN_LEN");
  }
  for (const path of [payload.kernel, payload.initramfs].filter((one) => one !== undefined)) {
    requireReadable(path, "Cannot open kernel or initramfs");
  }
  for (const disk of disks) {
    validateDisk(disk, cpus.boot_vcpus);
  }
  for (const one of net) {
    validateNet(one);
  }
}

export function validateDisk(disk: ChDisk, vcpus: number): void {
  requireReadable(disk.path, "Error from device manager");
  if (disk.num_queues > vcpus) {
    throw refused("Invalid config", "Number of queues exceeds the number of vCPUs");
  }
}

/** It runs without capabilities. */
export function validateNet(net: ChNet): void {
  if (!existsSync(`/sys/class/net/${net.tap}`)) {
    throw refused("Error from device manager", `Cannot open TAP ${net.tap}`, "Operation not permitted (os error 1)");
  }
  const set = ["host_mac", "ip", "mask", "mtu"].find((key) => key in net);
  if (set !== undefined) {
    throw refused("Error from device manager", `Cannot set ${set} of the TAP`, "Operation not permitted (os error 1)");
  }
}

/** The zone's file is mapped: opened for reading alone, and as long as the zone. */
export function validateZones(config: ChVmConfig): void {
  for (const { file, size, shared } of config.memory.zones ?? []) {
    requireReadable(file, "Error from memory manager");
    if (shared || statSync(file).size < size) {
      throw refused("Error from memory manager", "Mmap region error", "MappingPastEof");
    }
  }
}

function requireReadable(path: string, what: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw refused(what, osError(error));
  }
}
