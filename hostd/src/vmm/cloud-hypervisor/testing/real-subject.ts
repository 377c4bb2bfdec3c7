import { execFileSync } from "node:child_process";
import { chmod, copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pingUntilAnswered } from "../../testing/guest-call.ts";
import { testBundle } from "../../testing/test-bundle.ts";
import type { Vm } from "../../vmm.ts";
import { createCloudHypervisorDriver } from "../driver.ts";
import { landlockLack } from "../landlock.ts";
import { bareKernel } from "./bare-kernel.ts";
import { type ChSubject, makeChHarness } from "./harness.ts";

const STOCK_BOOT_MS = 30_000;

/** The real binary that the environment names; undefined where it names none. */
export function realBinary(): { readonly path: string; readonly version: string } | undefined {
  const path = process.env.CLOUD_HYPERVISOR;
  return path ? { path, version: execFileSync(path, ["--version"], { encoding: "utf8" }).trim() } : undefined;
}

/** The real binary with a kernel that only counts. */
export async function realWithBareKernel(root: string): Promise<ChSubject> {
  const [kernel, initramfs] = [join(root, "bare-kernel"), join(root, "no-initramfs")];
  await writeFile(kernel, bareKernel());
  await writeFile(initramfs, Buffer.alloc(4096));
  return { ...(await program(root)), kernel, initramfs, guest: "bare" };
}

/** Asked once: where it does not boot that takes its time. */
let stockAnswer: Promise<string | undefined> | undefined;

/** The real binary with our guest; with the bare kernel, and the reason printed, where this host's KVM does not boot it. */
export async function realSubject(root: string): Promise<ChSubject> {
  stockAnswer ??= stockLack();
  const lack = await stockAnswer;
  if (lack !== undefined) {
    console.log(`cloud-hypervisor: no stock kernel boots here, so a bare one stands for the guest: ${lack}`);
    return realWithBareKernel(root);
  }
  return realWithAgent(root);
}

async function realWithAgent(root: string): Promise<ChSubject> {
  const { kernel, initramfs } = testBundle();
  return { ...(await program(root)), kernel, initramfs, guest: "agent" };
}

async function stockLack(): Promise<string | undefined> {
  await using harness = await makeChHarness(realWithAgent);
  const vmm = createCloudHypervisorDriver(harness.config);
  const config = await harness.makeConfig();
  const options = { signal: AbortSignal.timeout(STOCK_BOOT_MS) };
  let vm: Vm | undefined;
  try {
    vm = await vmm.boot(config, options);
    await pingUntilAnswered(vm.vsockPath, options.signal);
    return undefined;
  } catch (error) {
    const said = await vm?.readConsole(options).catch(() => undefined);
    return `${error}${said === undefined ? "" : `; its console ends in: ${Buffer.from(said).toString().slice(-1000)}`}`;
  } finally {
    await vmm.sweep(config);
    vmm.close();
  }
}

/** A copy of it, which every VM's user can execute. */
async function program(root: string) {
  const binary = join(root, "cloud-hypervisor");
  await copyFile(process.env.CLOUD_HYPERVISOR as string, binary);
  await chmod(binary, 0o755);
  return { binary, landlock: (await landlockLack()) === undefined };
}
