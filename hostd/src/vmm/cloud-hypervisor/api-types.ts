/**
 * The part of Cloud Hypervisor's API that we use, as of v53. `api-types.test.ts` holds every field to its OpenAPI
 * document. Unknown fields are ignored by the VMM without a word, so a slip here would do nothing at all there.
 */

export interface ChVmConfig {
  readonly cpus: {
    readonly boot_vcpus: number;
    readonly max_vcpus: number;
    readonly nested: boolean;
    readonly kvm_hyperv: boolean;
    readonly core_scheduling: "Vm" | "Vcpu" | "Off";
  };
  readonly memory: ChMemory;
  readonly payload: { readonly kernel: string; readonly cmdline: string; readonly initramfs?: string };
  readonly disks: readonly ChDisk[];
  readonly net?: readonly ChNet[];
  readonly vsock: { readonly id: string; readonly cid: number; readonly socket: string };
  readonly balloon?: {
    readonly size: number;
    readonly deflate_on_oom: boolean;
    readonly free_page_reporting: boolean;
  };
  readonly serial: { readonly mode: "Off" };
  readonly console: { readonly mode: "File"; readonly file: string };
  readonly pvpanic: boolean;
  readonly watchdog: boolean;
  readonly landlock_enable: boolean;
  readonly landlock_rules?: readonly ChLandlockRule[];
}

export interface ChMemory {
  /** Bytes; 0 if and only if there are zones. */
  readonly size: number;
  readonly mergeable: boolean;
  readonly shared: boolean;
  readonly zones?: readonly ChMemoryZone[];
}

export interface ChMemoryZone {
  readonly id: string;
  readonly size: number;
  readonly file: string;
  readonly shared: boolean;
  readonly mergeable: boolean;
}

export interface ChDisk {
  readonly id: string;
  readonly path: string;
  readonly readonly: boolean;
  readonly image_type: "Raw";
  readonly backing_files: boolean;
  readonly sparse: boolean;
  readonly num_queues: number;
  readonly queue_size: number;
  readonly serial: string;
}

export interface ChNet {
  readonly id: string;
  readonly tap: string;
  readonly mac: string;
  readonly num_queues: number;
  readonly queue_size: number;
}

export interface ChLandlockRule {
  readonly path: string;
  readonly access: "r" | "w" | "rw";
}

export interface ChRestore {
  readonly source_url: string;
  readonly memory_restore_mode: "Copy" | "CopyOnWrite";
  readonly resume: boolean;
}

export interface ChPing {
  /** As the binary says it, such as "v53.0". */
  readonly build_version: string;
  readonly version: string;
  readonly pid: number;
}

/** `BreakPoint` is missing in the document. */
export type ChState = "Created" | "Running" | "Shutdown" | "Paused" | "BreakPoint";

export interface ChInfo {
  readonly state: ChState;
  readonly config: ChVmConfig;
  /** By id; a device is in it until the guest has let go of it. */
  readonly device_tree?: Readonly<Record<string, object>>;
}

/** The requests that have a body. */
export interface ChBodies {
  readonly "vm.create": ChVmConfig;
  readonly "vm.restore": ChRestore;
  readonly "vm.snapshot": { readonly destination_url: string };
  readonly "vm.resize": { readonly desired_vcpus: number };
  readonly "vm.resize-disk": { readonly id: string; readonly desired_size: number };
  readonly "vm.add-disk": ChDisk;
  readonly "vm.add-net": ChNet;
  readonly "vm.remove-device": { readonly id: string };
}
