import { release } from "node:os";
import { type CommandRunner, executablePath } from "../../host/exec.ts";
import type { VmmCallOptions } from "../vmm.ts";
import { deviceGroups, HOST_DEVICES, type HostDevices } from "./device-groups.ts";
import { versionLack } from "./version.ts";

/** What Cloud Hypervisor itself needs. */
const OLDEST_KERNEL = [5, 13] as const;
/** Any that is not root: whoever it is must be able to execute the binary. */
const SOME_UID = "65534";

/** Why Cloud Hypervisor can't be used here; undefined where it can, as far as that is seen without a VM. */
export async function unavailable(
  config: { readonly runner: CommandRunner; readonly binary: string; readonly devices?: HostDevices },
  options: VmmCallOptions,
): Promise<string | undefined> {
  if (process.getuid?.() !== 0) {
    return "needs root, to give each VM a uid of its own";
  }
  const [major = 0, minor = 0] = release().split(".").map(Number);
  if (major < OLDEST_KERNEL[0] || (major === OLDEST_KERNEL[0] && minor < OLDEST_KERNEL[1])) {
    return `Linux ${release()} is older than ${OLDEST_KERNEL.join(".")}`;
  }
  try {
    const setpriv = await executablePath("setpriv");
    await executablePath("prlimit");
    const binary = await executablePath(config.binary);
    await deviceGroups((config.devices ?? HOST_DEVICES).kvm);
    const identity = [`--reuid=${SOME_UID}`, `--regid=${SOME_UID}`, "--clear-groups"];
    const { stdout } = await config.runner.run([setpriv, ...identity, "--", binary, "--version"], options);
    return versionLack(stdout);
  } catch (error) {
    options.signal.throwIfAborted();
    return error instanceof Error ? error.message : String(error);
  }
}
