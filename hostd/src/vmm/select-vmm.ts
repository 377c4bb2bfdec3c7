import type { CopyMethod } from "../host/disk/plan.ts";
import type { CommandRunner } from "../host/exec.ts";
import { type CloudHypervisorConfig, createCloudHypervisorDriver } from "./cloud-hypervisor/driver.ts";
import { landlockLack } from "./cloud-hypervisor/landlock.ts";
import { type KvmAnswer, probeKvm } from "./probe-kvm.ts";
import { createQemuDriver } from "./qemu/driver.ts";
import { severalVmms } from "./several-vmms.ts";
import type { Vmm, VmmCallOptions } from "./vmm.ts";

export type DriverName = "cloud-hypervisor" | "qemu";

export interface VmmChoice {
  readonly wanted: "auto" | DriverName;
  readonly runner: CommandRunner;
  readonly architecture: "x86_64" | "aarch64";
  /** A path, or a name to look up where commands are. */
  readonly cloudHypervisor: string;
  readonly restoreStrategy: "auto" | "copy";
  readonly vhostDeviceVsock: string;
  /** On tmpfs: memory of emulated guests. */
  readonly memoryDir: string;
  /** On the file system of disks and snapshots: memory of guests under Cloud Hypervisor. */
  readonly stateDir: string;
  readonly copyMethod: CopyMethod;
  /** Boots where KVM is of use. */
  readonly kernel: string;
  readonly kvmCacheFile: string;
}

const KVM_BOOT_MS = 15_000;

/** The driver this host can use, and why that one. Rejects where what was asked for, or all there is, can't be used. */
export async function selectVmm(choice: VmmChoice, options: VmmCallOptions): Promise<{ vmm: Vmm; why: string }> {
  const { wanted, architecture } = choice;
  const qemuBinary = `qemu-system-${architecture}`;
  const [cloudHypervisor, qemu] = [
    createCloudHypervisorDriver(await cloudHypervisorConfig(choice)),
    createQemuDriver({ ...choice, qemuBinary, vhostDeviceVsockBinary: choice.vhostDeviceVsock }),
  ];
  const askKvm = () => askKvmWith(choice, qemuBinary, options);
  const why = wanted === "auto" ? await lackOfCloudHypervisor(cloudHypervisor, askKvm, options) : undefined;
  const first = wanted === "qemu" || why !== undefined ? qemu : cloudHypervisor;
  const lack = await first.unavailable(options);
  if (lack !== undefined) {
    const besides = why === undefined ? "" : `, and cloud-hypervisor can't: ${why}`;
    throw new Error(`the driver ${first.name} can't be used: ${lack}${besides}`);
  }
  const others = [cloudHypervisor, qemu].filter((one) => one !== first);
  return {
    vmm: severalVmms(first, others),
    why: why ?? (wanted === "auto" ? "KVM boots a stock kernel" : "asked for"),
  };
}

/** Why VMs can't run under Cloud Hypervisor here; undefined where they can. What is cheap to ask is asked first. */
export async function lackOfCloudHypervisor(
  driver: Pick<Vmm, "unavailable">,
  askKvm: () => Promise<KvmAnswer>,
  options: VmmCallOptions,
): Promise<string | undefined> {
  const lack = await driver.unavailable(options);
  if (lack !== undefined) {
    return lack;
  }
  const kvm = await askKvm();
  return kvm.usable ? undefined : `KVM runs no stock kernel: ${kvm.reason}`;
}

async function cloudHypervisorConfig(choice: VmmChoice): Promise<CloudHypervisorConfig> {
  const { runner, architecture, stateDir, copyMethod, restoreStrategy } = choice;
  return {
    ...{ runner, architecture, stateDir, copyMethod },
    binary: choice.cloudHypervisor,
    landlock: (await landlockLack()) === undefined,
    ...(restoreStrategy === "auto" ? {} : { restoreStrategy }),
  };
}

/** The probe is a boot under QEMU: where there is none it can't be answered for, and nothing is assumed. */
async function askKvmWith(
  { runner, kernel, kvmCacheFile }: VmmChoice,
  qemuBinary: string,
  options: VmmCallOptions,
): Promise<KvmAnswer> {
  try {
    return await probeKvm({ runner, qemuBinary, kernel, cacheFile: kvmCacheFile, timeoutMs: KVM_BOOT_MS }, options);
  } catch (error) {
    options.signal.throwIfAborted();
    const reason = `the probe needs ${qemuBinary} (or set DNAH_VMM=cloud-hypervisor): ${error}`;
    return { usable: false, reason };
  }
}
