import { access, constants } from "node:fs/promises";
import type { VmConfig, VmDisk, VmNet } from "../vmm.ts";
import { type ChPaths, requireShortPaths } from "./paths.ts";
import { tapLack } from "./tap.ts";
import type { ChHost } from "./vm-config.ts";

/** The kernel's own limits. */
const LONGEST_CMDLINE = { x86_64: 65_536, aarch64: 2_048 };
const MOST_DEVICES = 16;

/**
 * Refuses what the VMM would refuse late or not at all: it reads a config at `vm.boot`, after a restore copied all
 * memory, and says of a file that is missing not which.
 */
export async function requireSound(config: VmConfig, paths: ChPaths, host: ChHost): Promise<void> {
  const { vcpus, maxVcpus = vcpus, disks, nets = [] } = config;
  requireShortPaths(paths);
  if (vcpus < 1 || vcpus > maxVcpus) {
    throw new RangeError(`vcpus is ${vcpus}, and must be from 1 to maxVcpus, which is ${maxVcpus}`);
  }
  const cmdline = config.cmdline.join(" ");
  if (Buffer.byteLength(cmdline) > LONGEST_CMDLINE[host.architecture] - 256) {
    throw new RangeError(`the guest's command line is ${cmdline.length} bytes long, too much for ${host.architecture}`);
  }
  requireIds(disks.map(({ id }) => id));
  requireIds(nets.map(({ id }) => id));
  await access(config.kernel, constants.R_OK);
  await access(config.initramfs, constants.R_OK);
  for (const disk of disks) {
    await requireDisk(disk);
  }
  for (const net of nets) {
    await requireNet(net, config.uid);
  }
}

export async function requireDisk(disk: VmDisk): Promise<void> {
  requireIds([disk.id]);
  await access(disk.path, constants.R_OK);
}

export async function requireNet(net: VmNet, uid: number): Promise<void> {
  requireIds([net.id]);
  // Locally administered, for one device: what we may give out.
  if (!/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/.test(net.mac)) {
    throw new RangeError(`${net.id}: ${net.mac} is no address of the kind 02:00:00:00:00:01`);
  }
  const lack = await tapLack(net.tap, uid);
  if (lack !== undefined) {
    throw new Error(`${net.id}: ${lack}`);
  }
}

function requireIds(ids: readonly string[]): void {
  if (ids.length > MOST_DEVICES) {
    throw new RangeError(`${ids.length} devices of a kind; there may be ${MOST_DEVICES}`);
  }
  const wrong = ids.find((id, index) => !/^[a-z0-9]{1,16}$/.test(id) || ids.indexOf(id) !== index);
  if (wrong !== undefined) {
    throw new RangeError(`"${wrong}" is no device's id: 1 to 16 of a-z 0-9, each one once`);
  }
}
