/**
 * The port to a virtual machine monitor: turns one VM's files into a running guest with a vsock.
 *
 * A driver owns what is inside `VmConfig.dir` (sockets, logs, memory file) and the processes it starts. Every one of
 * those processes runs under `VmConfig.uid`, which belongs to this VM alone: whoever finds a process of that uid
 * knows whose it is, also when a crash came between starting it and writing its pid down.
 */

export interface VmmCapabilities {
  /** False for emulation: such a VM is no security boundary. */
  readonly hardwareIsolated: boolean;
  /** Memory and devices can be written to a directory and restored from it. */
  readonly snapshot: boolean;
  /** Restored VMs share the snapshot's memory until they write to it. */
  readonly copyOnWriteRestore: boolean;
  /** Whether a guest's monotonic clock counts the time it was paused. Timers of its programs are then due at once. */
  readonly clockInPause: "stands" | "goes on";
  /** `VmConfig.nets` may be given. */
  readonly nets: boolean;
  /** `Vm.hardware` is there: devices and sizes of a VM change while it runs. */
  readonly hardware: boolean;
}

export interface VmDisk {
  /** Stable name of the device, `[a-z0-9]{1,16}`. The order of the disks is the guest's: /dev/vda, /dev/vdb, ... */
  readonly id: string;
  /** A raw image that `uid` may open. */
  readonly path: string;
  readonly readonly: boolean;
}

export interface VmNet {
  /** Stable name of the device, `[a-z0-9]{1,16}`. */
  readonly id: string;
  /** A persistent TAP device that belongs to `uid`, with `vnet_hdr` and one queue, set up and used by nobody. */
  readonly tap: string;
  /** The guest's address. A restored guest keeps the one of the snapshot, whatever is said here. */
  readonly mac: string;
}

export interface VmConfig {
  /** Sandbox id, for process names and logs. */
  readonly id: string;
  /**
   * Private directory of this start of the VM: exists, belongs to us, and of others only `gid` may pass through it. The
   * driver puts a directory of `uid`'s into it, for what the VM's processes make; we follow no link in that. At most 80
   * bytes long (unix sockets).
   */
  readonly dir: string;
  readonly uid: number;
  readonly gid: number;
  readonly vcpus: number;
  /** How far `VmHardware.setVcpus` can go; `vcpus` where absent. */
  readonly maxVcpus?: number;
  readonly memoryMib: number;
  readonly kernel: string;
  readonly initramfs: string;
  /** Guest kernel arguments, beside the driver's own. */
  readonly cmdline: readonly string[];
  readonly disks: readonly VmDisk[];
  /** Absent: it has none, ever. Empty: it may be given some while it runs. */
  readonly nets?: readonly VmNet[];
  /** An existing cgroup (v2) for all its processes. Absent: they stay in ours. */
  readonly cgroup?: string;
}

/** What is written down to find a VM again after a restart. Plain JSON. */
export interface VmHandle {
  readonly driver: string;
  readonly config: VmConfig;
  /** The VMM's process, told from a later one with the same pid by its start time (clock ticks since boot). */
  readonly pid: number;
  readonly startTime: string;
}

export type VmExit =
  /** It was told to end. */
  | { readonly kind: "stopped" }
  /** The guest powered off by itself. */
  | { readonly kind: "poweroff" }
  /** Its process ended otherwise. `detail`: exit code or signal, and the end of its log. */
  | { readonly kind: "died"; readonly detail: string };

/** What can change in a VM that runs. The guest takes part: it follows when it gets to it. */
export interface VmHardware {
  /** From 1 to `maxVcpus`. Resolves when it is offered to the guest. */
  setVcpus(vcpus: number, options: VmmCallOptions): Promise<void>;
  /** Grows a disk's image, and tells the guest. A file system lies in it: never shrinks. */
  growDisk(id: string, sizeBytes: number, options: VmmCallOptions): Promise<void>;
  /** The image lies on the file system of the driver's folder. */
  addDisk(disk: VmDisk, options: VmmCallOptions): Promise<void>;
  addNet(net: VmNet, options: VmmCallOptions): Promise<void>;
  /** Resolves when the guest let go of it. */
  removeDisk(id: string, options: VmmCallOptions): Promise<void>;
  removeNet(id: string, options: VmmCallOptions): Promise<void>;
}

export interface Vm {
  readonly handle: VmHandle;
  /** Unix socket in front of the guest's vsock: `CONNECT <port>\n`, answered by `OK <n>\n`, closed where nobody listens. */
  readonly vsockPath: string;
  /** Settles once, when the VMM's process is gone. Never rejects. */
  readonly exited: Promise<VmExit>;
  /** Absent where the driver's capabilities say so. */
  readonly hardware?: VmHardware;
  /** Stops the vCPUs. Idempotent. */
  pause(options: VmmCallOptions): Promise<void>;
  /** Runs the vCPUs again; after a snapshot with a new vsock, where nobody may listen at first, as after a boot. Idempotent. */
  resume(options: VmmCallOptions): Promise<void>;
  /**
   * Writes memory and device state of a paused VM into `dir` (exists, empty). The VM is paused again when this resolves
   * (a driver may have to run the guest for a moment, to take a device from it), so disks are the caller's to copy
   * *after* that. Its vsock connections are broken.
   */
  snapshot(dir: string, options: VmmCallOptions): Promise<void>;
  /** Ends the VMM in order, and by force when it does not end within `graceMs`. Resolves when nothing of it is left. */
  stop(options: VmmCallOptions & { graceMs: number }): Promise<void>;
  /** Ends all its processes at once. Resolves when nothing of it is left. Idempotent. */
  kill(): Promise<void>;
  /** What the guest wrote to its console since this was last asked; the end of it, 64 KiB at most. */
  readConsole(options: VmmCallOptions): Promise<Uint8Array>;
  /** Resident memory of its processes, in bytes (guest memory included). */
  residentBytes(): Promise<number>;
}

export interface VmmCallOptions {
  readonly signal: AbortSignal;
}

export interface Vmm {
  readonly name: string;
  readonly capabilities: VmmCapabilities;
  /** Why it can't be used on this host, or undefined. */
  unavailable(options: VmmCallOptions): Promise<string | undefined>;
  /** Names what a guest's memory depends on, VMM and processor: drivers that say the same can restore one another's snapshots. */
  memoryClass(options: VmmCallOptions): Promise<string>;
  /**
   * Starts a VM; resolves when vCPUs run and the vsock socket takes connections. Who then finds nobody on a port tries
   * again: the guest's driver may be up before its agent. On failure nothing is left of it.
   */
  boot(config: VmConfig, options: VmmCallOptions): Promise<Vm>;
  /** As boot, from a directory that `snapshot` wrote (it may be used many times). `config` has the same sizes and disk ids. */
  restore(config: VmConfig, snapshotDir: string, options: VmmCallOptions): Promise<Vm>;
  /** Takes over a VM that an earlier process of ours started; undefined where it no longer runs. */
  adopt(handle: VmHandle, options: VmmCallOptions): Promise<Vm | undefined>;
  /** Removes whatever a VM with this config left: processes, sockets, memory file. Idempotent; for VMs without a handle. */
  sweep(config: Pick<VmConfig, "dir" | "uid">): Promise<void>;
  /** Lets go of all VMs, which run on, to be adopted later: the orderly end of hostd. Their `exited` never settles then. */
  close(): void;
}
