import type { VmConfig, VmDisk, VmNet } from "../vmm.ts";
import type { ChDisk, ChLandlockRule, ChMemory, ChNet, ChVmConfig } from "./api-types.ts";
import type { ChPaths } from "./paths.ts";
import type { RestoreStrategy } from "./version.ts";

export interface ChHost {
  readonly architecture: "x86_64" | "aarch64";
  /** Whether the host's kernel can confine the VMM's view of files. */
  readonly landlock: boolean;
}

const MIB = 1024 * 1024;
/** The one a size without zones has inside the VMM, so that state files of both agree. */
export const MEMORY_ID = "mem0";
export const VSOCK_ID = "vsock0";
/** It counts inside one VM only: each has a socket of its own. Never another in a restored VM, whose guest knows it. */
const GUEST_CID = 3;

/** What `vm.create` is told. It checks nothing: `requireSound` does. */
export function chVmConfig(config: VmConfig, paths: ChPaths, strategy: RestoreStrategy, host: ChHost): ChVmConfig {
  return {
    cpus: {
      boot_vcpus: config.vcpus,
      max_vcpus: config.maxVcpus ?? config.vcpus,
      // On by default, and a way to attack the host.
      nested: false,
      kvm_hyperv: false,
      // No thread of another VM runs on a core's other half.
      core_scheduling: "Vm",
    },
    memory: memoryOf(config.memoryMib * MIB, paths, strategy),
    payload: { kernel: config.kernel, cmdline: cmdlineOf(config, host), initramfs: config.initramfs },
    disks: config.disks.map(chDisk),
    ...(config.nets === undefined ? {} : { net: config.nets.map(chNet) }),
    vsock: { id: VSOCK_ID, cid: GUEST_CID, socket: paths.vsockDevice },
    // A private mapping of a file gives nothing back to the host: a balloon would only fail there.
    ...(strategy === "cow-zone" ? {} : { balloon: { size: 0, deflate_on_oom: true, free_page_reporting: true } }),
    // Each byte on a serial line is an exit from the guest.
    serial: { mode: "Off" },
    // The default is our own terminal.
    console: { mode: "File", file: paths.console },
    pvpanic: true,
    // It would reboot the guest inside the VMM; a guest that hangs is found out by its agent's silence.
    watchdog: false,
    landlock_enable: host.landlock,
    ...(host.landlock ? { landlock_rules: landlockRules(config, paths) } : {}),
  };
}

/** Ids are always set: what the VMM makes up itself is another in each VM, and snapshots are keyed by them. */
export function chDisk(disk: VmDisk): ChDisk {
  return {
    id: diskId(disk.id),
    path: disk.path,
    readonly: disk.readonly,
    // Never found out by a look at it: a guest that writes another format's head into its disk would choose what the
    // host opens next.
    image_type: "Raw",
    backing_files: false,
    // What the guest discards is given back.
    sparse: true,
    // Fixed: a restore with others crashes the VMM. And no more queues than vCPUs may be.
    num_queues: 1,
    queue_size: 128,
    // Otherwise derived from the file, and so another in a restored VM.
    serial: disk.id,
  };
}

/**
 * By the name of a TAP that is there already: so the VMM needs no capability. No address and no MTU, which it would try
 * to set.
 */
export function chNet(net: VmNet): ChNet {
  return { id: netId(net.id), tap: net.tap, mac: net.mac, num_queues: 2, queue_size: 256 };
}

export function diskId(id: string): string {
  return `disk-${id}`;
}

export function netId(id: string): string {
  return `net-${id}`;
}

function memoryOf(size: number, paths: ChPaths, strategy: RestoreStrategy): ChMemory {
  // Never merged with other VMs' pages: who shares them can be told by the time a write takes.
  const common = { mergeable: false, shared: false } as const;
  if (strategy === "cow-zone") {
    return { size: 0, ...common, zones: [{ id: MEMORY_ID, size, file: paths.memory, ...common }] };
  }
  return { size, ...common };
}

/**
 * Beside what the VMM allows itself (disks, kernel, console, vsock): rules can't be added later, so they hold for all that
 * may come, snapshots and devices too.
 */
export function landlockRules(config: Pick<VmConfig, "nets">, paths: ChPaths): readonly ChLandlockRule[] {
  const folders: ChLandlockRule[] = [
    { path: paths.own, access: "rw" },
    { path: paths.state, access: "rw" },
  ];
  if (config.nets === undefined) {
    return folders;
  }
  // It reads a TAP's flags. Behind the link of /sys/class/net, which landlock looks through.
  return [...folders, { path: "/sys/devices/virtual/net", access: "r" }, { path: "/dev/net/tun", access: "rw" }];
}

function cmdlineOf(config: VmConfig, host: ChHost): string {
  // kvm-clock goes on where a restore or a pause ends; a reset is the end of the VM.
  const platform = host.architecture === "x86_64" ? ["clocksource=kvm-clock", "reboot=k"] : [];
  return ["console=hvc0", "quiet", "loglevel=1", "panic=1", "net.ifnames=0", ...platform, ...config.cmdline].join(" ");
}
