import { stat } from "node:fs/promises";

export const KVM_DEVICE = "/dev/kvm";

/** The groups a VM's user needs to open the device. Throws, with the way out, where no group helps. */
export async function kvmGroups(device: string): Promise<readonly number[]> {
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
