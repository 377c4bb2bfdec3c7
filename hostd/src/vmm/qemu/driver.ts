import { sleep } from "@daytonah/lib/sleep.ts";
import { applyCopy } from "../../host/disk/apply.ts";
import { type CommandRunner, executablePath, spawnDaemon } from "../../host/exec.ts";
import { isAlive, killAllOfUid, killProcess, processesOfUid, waitForExit } from "../../host/process-table.ts";
import type { Vm, VmConfig, VmHandle, Vmm, VmmCallOptions } from "../vmm.ts";
import { type GuestArchitecture, type QemuPaths, type QemuStart, qemuArgv, qemuPathsOf } from "./args.ts";
import { makeFolders } from "./folders.ts";
import { logTail, removeLeftovers } from "./leftovers.ts";
import { hasVsock, readRunState } from "./machine.ts";
import { QmpClient, QmpClosedError, type QmpEvent } from "./qmp.ts";
import { type QemuContext, RunningVm, type WatchedProcess } from "./running-vm.ts";
import { readDescription, readDeviceState, snapshotPathsOf } from "./snapshot.ts";
import { endVsockDevice, startVsockDevice, VSOCK_DEVICE_NAME } from "./vsock-device.ts";

export interface QemuConfig {
  readonly runner: CommandRunner;
  /** `qemu-system-<architecture>`, 7.2 or later. */
  readonly qemuBinary: string;
  readonly vhostDeviceVsockBinary: string;
  /** The guests' and the binary's; emulation needs no host of the same. */
  readonly architecture: GuestArchitecture;
  /** For guests' memory: a folder on tmpfs, or all they write goes to a disk. Made where it is not there; must be ours. */
  readonly memoryDir: string;
}

const NAME = "qemu";
const OLDEST_VERSION = [7, 2] as const;
/** A QEMU that works answers at once, on a host that has come to its limits some time later. */
const ADOPT_TIMEOUT_MS = 30_000;
/** Run states of a VM that has no future. */
const ENDED_STATES = ["shutdown", "guest-panicked", "internal-error", "inmigrate", "prelaunch"];
const CLEANUP_TIMEOUT_MS = 10_000;

/**
 * Real microVMs under QEMU's software emulator, for hosts without KVM for stock kernels: slower, and no security
 * boundary.
 */
export function createQemuDriver(config: QemuConfig): Vmm {
  const context: QemuContext = { driver: NAME, ...config };
  const vms = new Set<RunningVm>();
  const keep = (vm: RunningVm): Vm => {
    vms.add(vm);
    void vm.exited.then(() => vms.delete(vm));
    return vm;
  };
  return {
    name: NAME,
    capabilities: {
      hardwareIsolated: false,
      snapshot: true,
      copyOnWriteRestore: false,
      clockInPause: "stands",
      nets: false,
      hardware: false,
    },
    unavailable: (options) => unavailable(config, options),
    memoryClass: async (options) => {
      // Emulated processors are the same on every host.
      const { stdout } = await config.runner.run([config.qemuBinary, "--version"], options);
      return `${NAME}/${config.architecture}/${/version ([\d.]+)/.exec(stdout)?.[1] ?? "unknown"}`;
    },
    boot: async (vm, options) => keep(await boot(config, context, vm, options)),
    restore: async (vm, dir, options) => keep(await restore(config, context, vm, dir, options)),
    adopt: async (handle, options) => {
      const vm = await adopt(context, handle, options);
      return vm === undefined ? undefined : keep(vm);
    },
    sweep: (vm) => sweep(vm, qemuPathsOf(vm, config.memoryDir)),
    close: () => {
      for (const vm of vms) {
        vm.release();
      }
      vms.clear();
    },
  };
}

async function unavailable(config: QemuConfig, options: VmmCallOptions): Promise<string | undefined> {
  if (process.getuid?.() !== 0) {
    return "needs root, to give each VM a uid of its own";
  }
  try {
    await executablePath("setpriv");
    await executablePath("prlimit");
    await executablePath(config.vhostDeviceVsockBinary);
    await executablePath(config.qemuBinary);
    await config.runner.run([config.vhostDeviceVsockBinary, "--version"], options);
    const { stdout } = await config.runner.run([config.qemuBinary, "--version"], options);
    const [major = 0, minor = 0] = (stdout.match(/version (\d+)\.(\d+)/) ?? []).slice(1).map(Number);
    const [oldestMajor, oldestMinor] = OLDEST_VERSION;
    if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
      return `${config.qemuBinary} is version ${major}.${minor}; ${OLDEST_VERSION.join(".")} is needed`;
    }
    return undefined;
  } catch (error) {
    options.signal.throwIfAborted();
    return error instanceof Error ? error.message : String(error);
  }
}

async function boot(
  config: QemuConfig,
  context: QemuContext,
  vmConfig: VmConfig,
  options: VmmCallOptions,
): Promise<RunningVm> {
  const paths = qemuPathsOf(vmConfig, config.memoryDir);
  return cleanedOnFailure(vmConfig, paths, options, async () => {
    if (vmConfig.nets?.length) {
      throw new Error("the driver qemu has no network devices");
    }
    await makeFolders(config.memoryDir, vmConfig, paths);
    const vsock = await startVsockDevice(config.vhostDeviceVsockBinary, vmConfig, paths, options);
    const vm = await startQemu(config, context, vmConfig, paths, { start: { t: "boot" }, vsock }, options);
    await whileAlive(vm, vm.publishVsock(options));
    return vm;
  });
}

async function restore(
  config: QemuConfig,
  context: QemuContext,
  vmConfig: VmConfig,
  snapshotDir: string,
  options: VmmCallOptions,
): Promise<RunningVm> {
  const paths = qemuPathsOf(vmConfig, config.memoryDir);
  return cleanedOnFailure(vmConfig, paths, options, async () => {
    const { machine } = await readDescription(snapshotDir, NAME, vmConfig);
    await makeFolders(config.memoryDir, vmConfig, paths);
    const snapshot = snapshotPathsOf(snapshotDir);
    const copy = { source: snapshot.memory, target: paths.memory, owner: vmConfig };
    await applyCopy(config.runner, copy, "sparse", options);
    const start = { t: "restore", machine } as const;
    const launch = { start, inputFile: snapshot.deviceState };
    const vm = await startQemu(config, context, vmConfig, paths, launch, options);
    await whileAlive(vm, vm.resume(options));
    return vm;
  });
}

interface Launch {
  readonly start: QemuStart;
  readonly vsock?: WatchedProcess;
  readonly inputFile?: string;
}

async function startQemu(
  config: QemuConfig,
  context: QemuContext,
  vmConfig: VmConfig,
  paths: QemuPaths,
  launch: Launch,
  options: VmmCallOptions,
): Promise<RunningVm> {
  const { qemuBinary, architecture } = config;
  const process = await spawnDaemon({
    argv: qemuArgv({ qemuBinary, architecture, config: vmConfig, paths, start: launch.start }),
    owner: vmConfig,
    cwd: paths.own,
    logFile: paths.qemuLog,
    ...(launch.inputFile === undefined ? {} : { inputFile: launch.inputFile }),
    ...(vmConfig.cgroup === undefined ? {} : { cgroup: vmConfig.cgroup }),
  });
  const { qmp, feed } = await connectQmp(process, vmConfig.uid, paths, options).catch(async (error: unknown) => {
    // By its id: a process that is about to become the uid's is not found by it yet.
    killProcess(process, "SIGKILL");
    await waitForExit(process, { signal: AbortSignal.timeout(CLEANUP_TIMEOUT_MS), intervalMs: 1 });
    throw error;
  });
  try {
    if (launch.start.t === "restore") {
      await readDeviceState(qmp, options);
    }
  } catch (error) {
    qmp.close();
    throw error instanceof QmpClosedError ? new Error(`qemu: ${await logTail(paths)}`, { cause: error }) : error;
  }
  const vm = new RunningVm(context, vmConfig, process, qmp, launch.vsock);
  feed((event) => vm.takeEvent(event));
  return vm;
}

/** Connects as soon as QEMU listens. Events that come before `feed` are kept for it. */
async function connectQmp(process: WatchedProcess, uid: number, paths: QemuPaths, options: VmmCallOptions) {
  const early: QmpEvent[] = [];
  let take = (event: QmpEvent): void => {
    early.push(event);
  };
  const feed = (listener: (event: QmpEvent) => void) => {
    early.splice(0).forEach(listener);
    take = listener;
  };
  for (;;) {
    try {
      const qmp = await QmpClient.connect(paths.qmp, { ...options, uid, onEvent: (event) => take(event) });
      return { qmp, feed };
    } catch (cause) {
      options.signal.throwIfAborted();
      if (!isAlive(process)) {
        throw new Error(`qemu ${await process.exited}: ${await logTail(paths)}`, { cause });
      }
    }
    await sleep(3, options);
  }
}

async function adopt(context: QemuContext, handle: VmHandle, options: VmmCallOptions): Promise<RunningVm | undefined> {
  const { config } = handle;
  const paths = qemuPathsOf(config, context.memoryDir);
  const answered = { signal: AbortSignal.any([options.signal, AbortSignal.timeout(ADOPT_TIMEOUT_MS)]) };
  let vm: RunningVm | undefined;
  try {
    if (isAlive(handle)) {
      const { qmp, feed } = await connectQmp(handle, config.uid, paths, answered);
      const state = await readRunState(qmp, answered);
      const vsock = await adoptVsock(qmp, state, config, answered);
      vm = new RunningVm(context, config, handle, qmp, vsock);
      feed((event) => vm?.takeEvent(event));
      // Otherwise its guest ended while nobody looked, or its start was never finished.
      if (!ENDED_STATES.includes(state)) {
        await vm.repairVsock(options);
        return vm;
      }
      vm.release();
    }
  } catch (error) {
    vm?.release();
    // A QEMU that does not answer is none that anybody could use; a caller who gave up says nothing about it.
    if (options.signal.aborted) {
      throw error;
    }
  }
  await sweep(config, paths);
  return undefined;
}

/**
 * The process of the VM's vsock device. Where there is no such device in the machine it ends; also where the VM is
 * paused, since it does not survive that its connections, which ended with our former process, ended then.
 */
async function adoptVsock(qmp: QmpClient, state: string, config: VmConfig, options: VmmCallOptions) {
  const device = processesOfUid(config.uid).find((process) => process.name === VSOCK_DEVICE_NAME);
  if (device === undefined || (state === "running" && (await hasVsock(qmp, options)))) {
    return device;
  }
  await endVsockDevice(device);
  return undefined;
}

async function sweep(config: Pick<VmConfig, "uid">, paths: QemuPaths): Promise<void> {
  await killAllOfUid(config.uid, { signal: AbortSignal.timeout(CLEANUP_TIMEOUT_MS) });
  await removeLeftovers(paths);
}

async function cleanedOnFailure<T>(
  config: VmConfig,
  paths: QemuPaths,
  options: VmmCallOptions,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await sweep(config, paths);
    // Rather than the AbortError of whatever was under way.
    options.signal.throwIfAborted();
    throw error;
  }
}

/** The work; where the VM ended meanwhile, its end is the error, which tells more than the connection that broke. */
async function whileAlive(vm: RunningVm, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (error instanceof QmpClosedError) {
      const exit = await vm.exited;
      const detail = exit.kind === "died" ? exit.detail : exit.kind;
      throw new Error(`vm ${vm.handle.config.id}: ended while it started: ${detail}`, { cause: error });
    }
    vm.release();
    throw error;
  }
}
