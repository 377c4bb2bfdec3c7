import { stat } from "node:fs/promises";
import type { VmConfig } from "../vmm.ts";

/** The devices of the host that a VMM opens itself. */
export interface HostDevices {
  readonly kvm: string;
  /** Where its VM has network devices. */
  readonly tun: string;
}

export const HOST_DEVICES: HostDevices = { kvm: "/dev/kvm", tun: "/dev/net/tun" };

/** The groups that a VM's user needs to open its devices. */
export async function groupsFor(vm: Pick<VmConfig, "nets">, devices: HostDevices): Promise<readonly number[]> {
  const needed = vm.nets === undefined ? [devices.kvm] : [devices.kvm, devices.tun];
  return (await Promise.all(needed.map(deviceGroups))).flat();
}

/** None where it opens for all. Throws, with the way out, where no group helps. */
export async function deviceGroups(device: string): Promise<readonly number[]> {
  const { mode, gid } = await stat(device);
  if ((mode & 0o006) === 0o006) {
    return [];
  }
  // Not root's group: its files are many.
  if ((mode & 0o060) === 0o060 && gid !== 0) {
    return [gid];
  }
  throw new Error(`${device} opens for root alone: groupadd -f kvm && chgrp kvm ${device} && chmod 660 ${device}`);
}
