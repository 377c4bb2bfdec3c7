import { sleep } from "@daytonah/lib/sleep.ts";
import { isAlive, killAllOfUid } from "../../host/process-table.ts";
import type { Vm, VmConfig, VmHandle, Vmm, VmmCallOptions } from "../vmm.ts";
import { ChApi } from "./api-client.ts";
import { ChApiError } from "./api-error.ts";
import { readCpuModel } from "./cpu-model.ts";
import { HOST_DEVICES, type HostDevices } from "./device-groups.ts";
import { logTail, makeFolders, makeMemory, removeLeftovers } from "./folders.ts";
import { makeClone, restoreCall } from "./make-clone.ts";
import { manifestOf, readManifest } from "./manifest.ts";
import { type ChPaths, chPathsOf } from "./paths.ts";
import { requireSound } from "./require-sound.ts";
import { RunningVm } from "./running-vm.ts";
import { type StartedVmm, startVmm } from "./start-vmm.ts";
import type { SnapshotTools } from "./take-snapshot.ts";
import { ADOPT_MS, BOOT_MS, CLEANUP_MS, memoryTimeoutMs } from "./timeouts.ts";
import { unavailable } from "./unavailable.ts";
import { probeStrategy, type RestoreStrategy } from "./version.ts";
import { type ChHost, chVmConfig } from "./vm-config.ts";

export interface CloudHypervisorConfig extends SnapshotTools, ChHost {
  /** `cloud-hypervisor`; VMs' users must be able to execute it. */
  readonly binary: string;
  /** For guests' memory and snapshots under way: on a disk, on the file system of disks and snapshots. */
  readonly stateDir: string;
  /** Instead of the best that the binary can. */
  readonly restoreStrategy?: RestoreStrategy;
  /** Instead of the host's. */
  readonly devices?: HostDevices;
}

const NAME = "cloud-hypervisor";
const ENDING_MS = 50;

/** MicroVMs under KVM, by Cloud Hypervisor: a process for each, driven by HTTP over a unix socket. */
export function createCloudHypervisorDriver(config: CloudHypervisorConfig): Vmm {
  const vms = new Set<RunningVm>();
  const keep = (vm: RunningVm): Vm => {
    vms.add(vm);
    void vm.exited.then(() => vms.delete(vm));
    return vm;
  };
  const driver = new Driver(config);
  return {
    name: NAME,
    capabilities: {
      ...{ hardwareIsolated: true, snapshot: true, nets: true, hardware: true },
      // At every resume and restore kvm-clock is moved over the gap.
      clockInPause: "goes on",
      copyOnWriteRestore: config.restoreStrategy !== "copy",
    },
    unavailable: (options) => unavailable(config, options),
    memoryClass: async (options) => {
      const { stdout } = await config.runner.run([config.binary, "--version"], options);
      return `${NAME}/${stdout.trim()}/${await readCpuModel()}`;
    },
    boot: async (vm, options) => keep(await driver.boot(vm, options)),
    restore: async (vm, dir, options) => keep(await driver.restore(vm, dir, options)),
    adopt: async (handle, options) => {
      const vm = await driver.adopt(handle, options);
      return vm === undefined ? undefined : keep(vm);
    },
    sweep: (vm) => driver.sweep(vm),
    close: () => {
      for (const vm of vms) {
        vm.release();
      }
      vms.clear();
    },
  };
}

class Driver {
  readonly #config: CloudHypervisorConfig;
  readonly #program: { readonly binary: string; readonly devices: HostDevices };
  /** By version: the binary may be exchanged under us. */
  readonly #strategies = new Map<string, RestoreStrategy>();

  constructor(config: CloudHypervisorConfig) {
    this.#config = config;
    this.#program = { binary: config.binary, devices: config.devices ?? HOST_DEVICES };
  }

  boot(vm: VmConfig, options: VmmCallOptions): Promise<RunningVm> {
    return this.#start(vm, options, async ({ api }, strategy, paths) => {
      if (strategy === "cow-zone") {
        await makeMemory(vm, paths);
      }
      await api.send("vm.create", chVmConfig(vm, paths, strategy, this.#config), options);
      await api.put("vm.boot", { ...options, timeoutMs: BOOT_MS });
    });
  }

  restore(vm: VmConfig, snapshotDir: string, options: VmmCallOptions): Promise<RunningVm> {
    return this.#start(vm, options, async ({ api, version }, strategy, paths) => {
      const wanted = chVmConfig(vm, paths, strategy, this.#config);
      const { content } = await readManifest(snapshotDir, manifestOf(NAME, version, await readCpuModel(), wanted));
      await makeClone(snapshotDir, content, { config: vm, paths, host: this.#config });
      const mode = strategy === "CopyOnWrite" && !content.zone ? "CopyOnWrite" : "Copy";
      await api.send("vm.restore", restoreCall(paths, mode), { ...options, timeoutMs: memoryTimeoutMs(vm.memoryMib) });
    });
  }

  async adopt(handle: VmHandle, options: VmmCallOptions): Promise<RunningVm | undefined> {
    const paths = chPathsOf(handle.config, this.#config.stateDir);
    const api = new ChApi(paths.api, handle.config.uid);
    try {
      if (isAlive(handle)) {
        const { pid, build_version: version } = await api.ping({ ...options, timeoutMs: ADOPT_MS });
        const { state } = await api.info({ ...options, timeoutMs: ADOPT_MS });
        // Otherwise its start was never finished, or it is another's.
        if (pid === handle.pid && (state === "Running" || state === "Paused")) {
          const vm = await this.#attach({ process: handle, api, version }, handle.config, paths, state);
          if (!vm.ended) {
            return vm;
          }
          vm.release();
        }
      }
    } catch (error) {
      // A VMM that does not answer is none that anybody could use; a caller who gave up says nothing about it.
      if (options.signal.aborted) {
        api.close();
        throw error;
      }
    }
    api.close();
    await this.sweep(handle.config);
    return undefined;
  }

  async sweep(vm: Pick<VmConfig, "dir" | "uid">): Promise<void> {
    await killAllOfUid(vm.uid, { signal: AbortSignal.timeout(CLEANUP_MS) });
    await removeLeftovers(chPathsOf(vm, this.#config.stateDir));
  }

  /** A VMM, and in it the VM that `fill` makes. A VMM whose boot failed is never used again. */
  async #start(
    vm: VmConfig,
    options: VmmCallOptions,
    fill: (vmm: StartedVmm, strategy: RestoreStrategy, paths: ChPaths) => Promise<void>,
  ): Promise<RunningVm> {
    const paths = chPathsOf(vm, this.#config.stateDir);
    let vmm: StartedVmm | undefined;
    try {
      options.signal.throwIfAborted();
      await requireSound(vm, paths, this.#config);
      await makeFolders(this.#config.stateDir, vm, paths);
      vmm = await startVmm(this.#program, vm, paths, options);
      await fill(vmm, await this.#strategyOf(vmm, options), paths);
      return await this.#attach(vmm, vm, paths, "Running");
    } catch (cause) {
      vmm?.api.close();
      const error = vmm === undefined ? cause : await explained(cause, vmm, vm, paths);
      await this.sweep(vm);
      options.signal.throwIfAborted();
      throw error;
    }
  }

  async #strategyOf({ api, version }: StartedVmm, options: VmmCallOptions): Promise<RestoreStrategy> {
    const strategy =
      this.#config.restoreStrategy ?? this.#strategies.get(version) ?? (await probeStrategy(api, version, options));
    this.#strategies.set(version, strategy);
    return strategy;
  }

  #attach(
    vmm: Pick<StartedVmm, "api" | "version"> & { readonly process: VmHandle | StartedVmm["process"] },
    config: VmConfig,
    paths: ChPaths,
    state: "Running" | "Paused",
  ): Promise<RunningVm> {
    const { process, api, version } = vmm;
    return RunningVm.attach({ driver: NAME, tools: this.#config, config, paths, process, api, version }, state);
  }
}

/** Why a VM did not start, with what its VMM said: the chain of a refusal, or how the VMM ended under the call. */
async function explained(cause: unknown, { process }: StartedVmm, vm: VmConfig, paths: ChPaths): Promise<unknown> {
  if (cause instanceof ChApiError) {
    return new Error(`vm ${vm.id}: ${cause.message}\n${await logTail(paths)}`, { cause });
  }
  // Its connection may break before it is gone.
  const how = await Promise.race([process.exited, sleep(ENDING_MS, { signal: AbortSignal.timeout(CLEANUP_MS) })]);
  return how === undefined
    ? cause
    : new Error(`vm ${vm.id}: cloud-hypervisor ${how}: ${await logTail(paths)}`, { cause });
}
