import { join } from "node:path";
import type { VmConfig, VmDisk } from "../vmm.ts";

export type GuestArchitecture = "x86_64" | "aarch64";

/**
 * What a VM's driver puts into `VmConfig.dir` and the memory folder. All of it is the driver's to remove. Who takes the
 * VMM over has its uid: it can put what it likes, links too, into `own`, and nothing into the rest, which is root's.
 */
export interface QemuPaths {
  /** Folder of the VM's uid, for what its processes make. */
  readonly own: string;
  /** QEMU's control socket; in `own`. */
  readonly qmp: string;
  /** Between QEMU and the vsock device's process; in `own`. */
  readonly vhostUser: string;
  /** Where the vsock device's process takes connections; for the front alone. In `own`. */
  readonly vsockDevice: string;
  /** The front, for everybody: `Vm.vsockPath`. */
  readonly vsock: string;
  /** Takes the migration stream of a snapshot; ours, and QEMU connects to it. */
  readonly migration: string;
  readonly qemuLog: string;
  readonly vsockLog: string;
  /** Folder of the memory file, on tmpfs; the file alone is the VM's. */
  readonly memoryFolder: string;
  readonly memory: string;
}

export function qemuPathsOf(config: Pick<VmConfig, "dir" | "uid">, memoryDir: string): QemuPaths {
  // By uid: whoever cleans up after a crash knows no more than that.
  const memoryFolder = join(memoryDir, String(config.uid));
  const own = join(config.dir, "own");
  return {
    own,
    qmp: join(own, "qmp"),
    vhostUser: join(own, "vhost-user"),
    vsockDevice: join(own, "vsock-device"),
    vsock: join(config.dir, "vsock"),
    migration: join(config.dir, "migration"),
    qemuLog: join(config.dir, "qemu.log"),
    vsockLog: join(config.dir, "vsock.log"),
    memoryFolder,
    memory: join(memoryFolder, "memory"),
  };
}

/** Ids of QEMU objects that the driver names again later. */
export const VSOCK_ID = "vsock0";
export const CONSOLE_ID = "console";
const MEMORY_ID = "mem";

/** The context id every guest has: each has a vsock device process, and so a host, of its own. */
export const GUEST_CID = 3;

export const CONSOLE_BYTES = 64 * 1024;
const MAX_DISKS = 16;

/**
 * PCI slots. Each device has its own whatever the others are, since a restored VM must find all of them where they
 * were. 0 and 1 are the chipset's.
 */
const FIRST_DISK_SLOT = 0x04;
const VSOCK_SLOT = 0x1e;

interface Platform {
  readonly machine: string;
  readonly machineOptions: readonly string[];
  readonly console: string;
  readonly pciBus: string;
  /** Where a device can be plugged and unplugged while the guest runs. */
  readonly vsockPlace: { readonly bus: string; readonly addr: string };
  readonly devices: readonly Readonly<Record<string, unknown>>[];
  /** Guest kernel arguments. */
  readonly cmdline: readonly string[];
}

const PLATFORMS: Readonly<Record<GuestArchitecture, Platform>> = {
  x86_64: {
    machine: "pc",
    machineOptions: ["usb=off", "vmport=off", "smm=off", "hpet=off"],
    console: "ttyS0",
    pciBus: "pci.0",
    vsockPlace: { bus: "pci.0", addr: slot(VSOCK_SLOT) },
    devices: [],
    // A triple fault is the reset that needs no device. And a guest whose emulator gets no processor for a moment would
    // take its timer for broken, and panic.
    cmdline: ["reboot=t", "no_timer_check"],
  },
  aarch64: {
    machine: "virt",
    machineOptions: ["gic-version=3"],
    console: "ttyAMA0",
    pciBus: "pcie.0",
    // The root bus of PCI Express takes no hot-plug; a port of its own does.
    vsockPlace: { bus: "vsock-port", addr: slot(0) },
    devices: [
      { driver: "pcie-root-port", id: "vsock-port", bus: "pcie.0", addr: slot(VSOCK_SLOT), chassis: 1, slot: 1 },
    ],
    cmdline: [],
  },
};

export interface QemuArgs {
  readonly qemuBinary: string;
  readonly architecture: GuestArchitecture;
  readonly config: VmConfig;
  readonly paths: QemuPaths;
  readonly start: QemuStart;
}

export type QemuStart =
  | { readonly t: "boot" }
  /**
   * Waits for device state and stays paused. `machine` is the versioned type the snapshot was taken of: a
   * newer QEMU means something else by "pc".
   */
  | { readonly t: "restore"; readonly machine: string };

/** QEMU's command line. */
export function qemuArgv(args: QemuArgs): readonly string[] {
  const { config, paths, start } = args;
  const platform = PLATFORMS[args.architecture];
  if (config.disks.length > MAX_DISKS) {
    throw new RangeError(`${config.disks.length} disks: at most ${MAX_DISKS} are possible`);
  }
  const machine = start.t === "boot" ? platform.machine : start.machine;
  return [
    args.qemuBinary,
    ...["-name", `guest=${escaped(config.id)}`],
    ...["-no-user-config", "-nodefaults"],
    ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ...["-machine", [machine, ...platform.machineOptions, `memory-backend=${MEMORY_ID}`].join(",")],
    ...["-accel", config.vcpus > 1 ? "tcg,thread=multi" : "tcg,thread=single"],
    ...["-cpu", "max"],
    ...["-smp", String(config.vcpus)],
    ...["-m", `${config.memoryMib}M`],
    // Shared: the vsock device's process reads and writes the guest's rings.
    ...object({
      "qom-type": "memory-backend-file",
      id: MEMORY_ID,
      size: config.memoryMib * 1024 * 1024,
      "mem-path": paths.memory,
      share: true,
    }),
    ...["-display", "none"],
    // A guest that powers off, resets or panics stays until its end is read from it; the driver then ends QEMU.
    ...["-action", "reboot=shutdown,shutdown=pause,panic=pause"],
    ...["-chardev", `socket,id=qmp,path=${escaped(paths.qmp)},server=on,wait=off`],
    ...["-mon", "chardev=qmp,mode=control"],
    // In memory and bounded: a guest that writes without end to its console must not fill the host's disk.
    ...["-chardev", `ringbuf,id=${CONSOLE_ID},size=${CONSOLE_BYTES}`],
    ...["-serial", `chardev:${CONSOLE_ID}`],
    ...["-kernel", config.kernel],
    ...["-initrd", config.initramfs],
    ...["-append", kernelArguments(platform, config).join(" ")],
    ...platform.devices.flatMap((one) => ["-device", JSON.stringify(one)]),
    ...config.disks.flatMap((disk, index) => diskArgv(disk, index, platform)),
    ...(start.t === "boot" ? bootArgv(args) : restoreArgv()),
  ];
}

function bootArgv(args: QemuArgs): readonly string[] {
  const device = Object.entries(vsockDevice(args.architecture)).map(([key, value]) => `${key}=${value}`);
  return [
    ...["-chardev", `socket,id=${VSOCK_ID},path=${escaped(args.paths.vhostUser)}`],
    ...["-device", device.join(",").replace(/^driver=/, "")],
  ];
}

function restoreArgv(): readonly string[] {
  // Guest memory is not in the stream: it is the file. The vsock device is not either (QEMU can't migrate it), it is
  // plugged in once the stream is read.
  return ["-S", "-incoming", "defer"];
}

/** The vsock device, as `device_add` takes it. */
export function vsockDevice(architecture: GuestArchitecture): Readonly<Record<string, string>> {
  const { bus, addr } = PLATFORMS[architecture].vsockPlace;
  return { driver: "vhost-user-vsock-pci", id: VSOCK_ID, chardev: VSOCK_ID, bus, addr };
}

/** The vsock device's socket, as `chardev-add` takes it. */
export function vsockChardev(paths: QemuPaths): Readonly<Record<string, unknown>> {
  const addr = { type: "unix", data: { path: paths.vhostUser } };
  return { id: VSOCK_ID, backend: { type: "socket", data: { addr, server: false } } };
}

function diskArgv(disk: VmDisk, index: number, platform: Platform): readonly string[] {
  const node = `disk-${disk.id}`;
  const blockdev = {
    driver: "raw",
    "node-name": node,
    "read-only": disk.readonly,
    discard: "unmap",
    "detect-zeroes": "unmap",
    file: { driver: "file", filename: disk.path, aio: "threads", discard: "unmap", "read-only": disk.readonly },
  };
  const device = {
    driver: "virtio-blk-pci",
    id: node,
    drive: node,
    serial: disk.id,
    // To the guest, as a disk would: by default a full host stops the VM.
    werror: "report",
    rerror: "report",
    bus: platform.pciBus,
    addr: slot(FIRST_DISK_SLOT + index),
  };
  return ["-blockdev", JSON.stringify(blockdev), "-device", JSON.stringify(device)];
}

function kernelArguments(platform: Platform, config: VmConfig): readonly string[] {
  // Under emulation the guest's defences against flaws of real processors cost time and defend nothing; its tests of its
  // own cryptography are a quarter of its boot.
  const emulation = ["mitigations=off", "cryptomgr.notests"];
  return [`console=${platform.console}`, ...platform.cmdline, "panic=-1", "quiet", ...emulation, ...config.cmdline];
}

function object(properties: Readonly<Record<string, unknown>>): readonly string[] {
  return ["-object", JSON.stringify(properties)];
}

function slot(number: number): string {
  return `0x${number.toString(16)}`;
}

/** In QEMU's key=value options a comma in a value is written twice. */
function escaped(value: string): string {
  return value.replaceAll(",", ",,");
}
