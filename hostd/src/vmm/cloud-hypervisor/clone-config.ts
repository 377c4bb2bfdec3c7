import type { VmConfig } from "../vmm.ts";
import type { ChVmConfig } from "./api-types.ts";
import type { ChPaths } from "./paths.ts";
import { type ChHost, chDisk, chNet, landlockRules, MEMORY_ID } from "./vm-config.ts";

/** Devices that we give to no VM: in a snapshot they would be somebody else's work. */
const STRANGE = [
  ...["fs", "pmem", "devices", "user_devices", "vdpa", "generic_vhost_user", "generic-vhost-user"],
  ...["tpm", "numa", "pci_segments", "rate_limit_groups", "debug_console", "ivshmem", "rtc"],
];

/** The `config.json` of a snapshot, without its nulls; throws where it has what we never gave. */
export function readSnapshotConfig(text: string): ChVmConfig {
  const config = JSON.parse(text, (_key, value) => value ?? undefined) as ChVmConfig & Record<string, unknown>;
  const strange = STRANGE.find((key) => config[key] !== undefined && !isEmpty(config[key]));
  if (strange !== undefined) {
    throw new Error(`the snapshot's VM has ${strange}, which no VM of ours has`);
  }
  return config;
}

/**
 * The `config.json` from which a VM is restored: the snapshot's, in another place. What the guest sees (addresses, queues,
 * features) is in the device state; what is said here must be of the same number, with the same ids.
 */
export function cloneConfig(snapshot: ChVmConfig, config: VmConfig, paths: ChPaths, host: ChHost): ChVmConfig {
  const { initramfs: _read, ...payload } = snapshot.payload; // the VMM would open it, and nobody reads it
  const { landlock_rules: _theirs, net = [], ...kept } = snapshot;
  return {
    ...kept,
    payload,
    memory: cloneMemory(snapshot, paths),
    disks: sameIds(snapshot.disks, config.disks.map(chDisk)).map(([found, ours]) => ({
      ...found,
      path: ours.path,
      readonly: ours.readonly,
    })),
    ...(config.nets === undefined
      ? {}
      : { net: sameIds(net, config.nets.map(chNet)).map(([found, ours]) => cloneNet(found, ours.tap)) }),
    vsock: { ...snapshot.vsock, socket: paths.vsockDevice },
    console: { ...snapshot.console, mode: "File", file: paths.console },
    landlock_enable: host.landlock,
    ...(host.landlock ? { landlock_rules: landlockRules(config, paths) } : {}),
  };
}

function cloneMemory({ memory }: ChVmConfig, paths: ChPaths): ChVmConfig["memory"] {
  const [zone, ...others] = memory.zones ?? [];
  if (zone === undefined) {
    return memory;
  }
  if (others.length > 0 || zone.id !== MEMORY_ID || zone.shared) {
    throw new Error(`the snapshot's memory is not one private zone ${MEMORY_ID}`);
  }
  return { ...memory, zones: [{ ...zone, file: paths.memory }] };
}

/**
 * v53 writes down the TAP's own address as `host_mac`, and would set it on the new TAP: two TAPs with one address, and it
 * lacks the right. Address, mask and MTU it would set as well.
 */
function cloneNet<T extends object>(found: T, tap: string): T & { tap: string } {
  const { host_mac: _h, ip: _i, mask: _m, mtu: _u, ...kept } = found as T & Record<string, unknown>;
  return { ...(kept as T), tap };
}

function sameIds<T extends { id: string }>(found: readonly T[], ours: readonly T[]): [T, T][] {
  const pairs = found.flatMap((one): [T, T][] => {
    const other = ours.find(({ id }) => id === one.id);
    return other === undefined ? [] : [[one, other]];
  });
  if (pairs.length !== found.length || pairs.length !== ours.length) {
    throw new Error(`the snapshot's VM has ${found.map(({ id }) => id)}, this one ${ours.map(({ id }) => id)}`);
  }
  return pairs;
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
