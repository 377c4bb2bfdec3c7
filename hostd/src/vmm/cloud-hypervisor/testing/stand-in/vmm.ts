import { randomUUID } from "node:crypto";
import { rmSync, symlinkSync, truncateSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ChDisk, ChInfo, ChNet, ChRestore, ChState, ChVmConfig } from "../../api-types.ts";
import type { EventLog } from "./event-log.ts";
import { Guest } from "./guest.ts";
import { Landlock } from "./landlock.ts";
import { osError, Refusal, refused } from "./refusal.ts";
import type { Settings } from "./settings.ts";
import { readSnapshot, writeSnapshot } from "./snapshot.ts";
import { validateDisk, validateNet, validateVm, validateZones } from "./validate-vm.ts";
import { Vsock } from "./vsock.ts";

interface Machine {
  readonly guest: Guest;
  readonly vsock: Vsock;
  /** What its memory begins with. */
  readonly mark: string;
  readonly devices: Set<string>;
}

const UNPLUG_MS = 30;
const VCPU_REMOVAL_MS = 60;

/** The VMM's one VM: states and transitions as Cloud Hypervisor has them. */
export class Vmm {
  readonly #settings: Settings;
  readonly #events: EventLog;
  readonly #exit: () => void;
  #config: ChVmConfig | undefined;
  #landlock: Landlock | undefined;
  #machine: Machine | undefined;
  #state: ChState = "Created";
  #removingVcpus = false;

  constructor(settings: Settings, events: EventLog, exit: () => void) {
    this.#settings = settings;
    this.#events = events;
    this.#exit = exit;
  }

  /** Takes it as it is. */
  create(config: ChVmConfig): void {
    if (this.#config !== undefined) {
      throw refused("The VM could not be created", "VM is already created");
    }
    this.#landlock = new Landlock(config);
    this.#config = config;
    this.#state = "Created";
  }

  async boot(): Promise<void> {
    const config = this.#existing();
    if (this.#machine !== undefined) {
      throw refused("The VM could not boot", "Invalid VM state transition");
    }
    this.#events.write("vm", "booting");
    validateVm(config);
    validateZones(config);
    this.#machine = await this.#build(config, randomUUID());
    this.#run();
    this.#events.write("vm", "booted");
  }

  async restore({ source_url, resume, memory_restore_mode }: ChRestore): Promise<void> {
    if ((memory_restore_mode as string) === "CopyOnWrite" && !this.#settings.copyOnWrite) {
      const known = "unknown variant `CopyOnWrite`, expected `Copy` or `OnDemand` at line 1 column 80";
      throw new Refusal(400, "Failed to deserialize JSON", known);
    }
    if (this.#config !== undefined) {
      throw refused("The VM could not be restored", "VM is already created");
    }
    this.#events.write("vm", "restoring");
    try {
      const { config, mark } = readSnapshot(pathOf(source_url));
      this.#config = config;
      validateVm(config);
      this.#machine = await this.#build(config, mark);
      this.#landlock = new Landlock(config);
    } catch (error) {
      this.delete();
      throw error;
    }
    this.#machine.guest.pause();
    this.#state = "Paused";
    this.#events.write("vm", "restored");
    if (resume) {
      this.resume();
    }
  }

  info(): ChInfo {
    const config = this.#existing();
    const ids = [...(this.#machine?.devices ?? [])];
    return {
      ...{ config, state: this.#state },
      device_tree: Object.fromEntries(ids.map((id) => [id, { id, resources: [], children: [] }])),
    };
  }

  pause(): void {
    const { guest, vsock } = this.#running("Running");
    this.#events.write("vm", "pausing");
    guest.pause();
    vsock.pause();
    this.#state = "Paused";
    this.#events.write("vm", "paused");
  }

  resume(): void {
    const { guest } = this.#running("Paused");
    this.#events.write("vm", "resuming");
    guest.resume();
    this.#run();
    this.#events.write("vm", "resumed");
  }

  snapshot(destination: string): void {
    const { mark } = this.#running("Paused");
    const dir = pathOf(destination);
    this.#landlock?.require(dir);
    this.#events.write("vm", "snapshotting");
    writeSnapshot(dir, this.#existing(), mark);
    const { linksMemoryTo, configBytes } = this.#settings;
    if (linksMemoryTo !== undefined) {
      rmSync(join(dir, "memory-ranges"));
      symlinkSync(linksMemoryTo, join(dir, "memory-ranges"));
    }
    if (configBytes !== undefined) {
      truncateSync(join(dir, "config.json"), configBytes);
    }
    this.#events.write("vm", "snapshotted");
  }

  resizeVcpus(vcpus: number): void {
    const config = this.#existing();
    this.#running();
    if (this.#removingVcpus) {
      throw new Refusal(429, "Error from API", "The VM could not be resized", "a vCPU removal is still pending");
    }
    if (vcpus > config.cpus.max_vcpus) {
      throw refused("The VM could not be resized", "Desired vCPUs exceed the maximum");
    }
    this.#removingVcpus = vcpus < config.cpus.boot_vcpus;
    setTimeout(() => {
      this.#removingVcpus = false;
    }, VCPU_REMOVAL_MS);
    this.#config = { ...config, cpus: { ...config.cpus, boot_vcpus: vcpus } };
    this.#events.write("vm", "resized");
  }

  resizeDisk(id: string, size: number): void {
    this.#running();
    const disk = this.#existing().disks.find((one) => one.id === id);
    if (disk === undefined || disk.readonly) {
      throw refused("The disk could not be resized", `Unknown device ${id}`);
    }
    truncateSync(disk.path, size);
  }

  addDisk(disk: ChDisk): { id: string; bdf: string } {
    this.#landlock?.require(disk.path);
    const config = this.#existing();
    validateDisk(disk, config.cpus.boot_vcpus);
    this.#config = { ...config, disks: [...config.disks, disk] };
    return this.#plug(disk.id);
  }

  addNet(net: ChNet): { id: string; bdf: string } {
    this.#landlock?.require("/dev/net/tun");
    this.#landlock?.require(`/sys/devices/virtual/net/${net.tap}`);
    const config = this.#existing();
    validateNet(net);
    this.#config = { ...config, net: [...(config.net ?? []), net] };
    return this.#plug(net.id);
  }

  /** Asks the guest, which takes its time. */
  removeDevice(id: string): void {
    const { devices } = this.#running();
    if (!devices.has(id)) {
      throw refused("The device could not be removed", `Unknown device ${id}`);
    }
    const config = this.#existing();
    const others = <T extends { id: string }>(list: readonly T[] = []) => list.filter((one) => one.id !== id);
    this.#config = { ...config, disks: others(config.disks), ...(config.net ? { net: others(config.net) } : {}) };
    setTimeout(() => {
      devices.delete(id);
      this.#events.write("vm", "device-removed", { id, bdf: "0000:00:06.0" });
    }, UNPLUG_MS);
  }

  /** Also where there is none. */
  delete(): void {
    this.shutDown();
    this.#config = undefined;
    this.#landlock = undefined;
  }

  shutDown(): void {
    const machine = this.#machine;
    if (machine !== undefined) {
      this.#machine = undefined;
      machine.guest.end();
      machine.vsock.close();
      this.#state = "Created";
      this.#events.write("vm", "shutdown");
    }
  }

  async #build(config: ChVmConfig, mark: string): Promise<Machine> {
    const socket = join(dirname(config.vsock.socket), "agent");
    let vsock: Vsock;
    try {
      vsock = await Vsock.bind(config.vsock.socket, socket);
    } catch (error) {
      const chain = ["Cannot create virtio-vsock backend", "Error binding to the host-side Unix socket"];
      throw refused("Error from device manager", ...chain, osError(error));
    }
    const guest = await Guest.start(this.#settings.agent, socket, config.console.file);
    void guest.ended.then((how) => this.#guestEnded(guest, how));
    const ids = [...config.disks, ...(config.net ?? []), config.vsock].map(({ id }) => id);
    return { guest, vsock, mark, devices: new Set(ids) };
  }

  #guestEnded(guest: Guest, how: "poweroff" | "crash"): void {
    if (this.#machine?.guest !== guest) {
      return;
    }
    if (how === "poweroff") {
      this.shutDown();
      this.#exit();
      return;
    }
    guest.say("Kernel panic - not syncing: the stand-in's agent is gone");
    this.#events.write("guest", "panic", { event: "Panic" });
    this.#events.write("vm", "rebooting");
  }

  /** Words of the command line are what a test asks of the guest. */
  #run(): void {
    const { vsock } = this.#running();
    this.#state = "Running";
    const { cmdline } = this.#existing().payload;
    const word = (name: string) => Number(new RegExp(`standin\\.${name}=(\\d+)`).exec(cmdline)?.[1] ?? 0);
    setTimeout(() => {
      this.#events.write("virtio-device", "activated", { id: this.#config?.vsock.id ?? "" });
      if (this.#state === "Running") {
        vsock.run();
      }
      if (word("dial") > 0) {
        void vsock.dialHost(word("dial"), "hello from the guest\n");
      }
    }, word("activate_ms"));
  }

  #plug(id: string): { id: string; bdf: string } {
    this.#running().devices.add(id);
    return { id, bdf: "0000:00:06.0" };
  }

  #existing(): ChVmConfig {
    if (this.#config === undefined) {
      throw new Refusal(404, "Error from API", "The VM is not created");
    }
    return this.#config;
  }

  #running(state?: ChState): Machine {
    this.#existing();
    if (this.#machine === undefined || (state !== undefined && this.#state !== state)) {
      throw refused("The VM is not in the right state", `Invalid transition from ${this.#state}`);
    }
    return this.#machine;
  }
}

function pathOf(url: string): string {
  if (!url.startsWith("file:///")) {
    throw refused("Unsupported URL", url);
  }
  return url.slice("file://".length);
}
