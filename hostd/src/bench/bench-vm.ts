/** A VM of the driver alone, with an agent and nothing of ours in between. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { chmod, chown } from "node:fs/promises";
import { join } from "node:path";
import { type AgentClient, agentPort, createAgentClient } from "../guest/agent-client.ts";
import { awaitAgent } from "../guest/await-agent.ts";
import { applyCopy, probeCopyMethod } from "../host/disk/apply.ts";
import { createCommandRunner } from "../host/exec.ts";
import type { Bundle } from "../images/bundle.ts";
import { guestCmdline } from "../vm/guest-cmdline.ts";
import { createQemuDriver } from "../vmm/qemu/driver.ts";
import type { VmConfig } from "../vmm/vmm.ts";

/** No daemon gives this uid to a VM: their ranges end before it. */
const benchUid = 2_147_483_646;
const { signal } = new AbortController();
const runner = createCommandRunner();

export interface BenchOptions {
  readonly bundleDir: string;
  readonly vhostDeviceVsock: string;
  readonly memoryMib: number;
}

/** Boots one, hands its agent over, and takes all of it away again. `bootMs`: from the VMM's start to the agent's first answer. */
export async function withBenchVm(
  options: BenchOptions,
  work: (agent: AgentClient, bootMs: number) => Promise<void>,
): Promise<void> {
  const bundle = JSON.parse(readFileSync(join(options.bundleDir, "bundle.json"), "utf8")) as Bundle;
  const vmm = createQemuDriver({
    runner,
    qemuBinary: `qemu-system-${bundle.architecture}`,
    vhostDeviceVsockBinary: options.vhostDeviceVsock,
    architecture: bundle.architecture,
    memoryDir: "/dev/shm/dnah-bench",
  });
  const dir = mkdtempSync("/run/dnah-bench-");
  const disks = mkdtempSync("/var/tmp/dnah-bench-");
  try {
    const config = await prepare(options, bundle, dir, disks);
    const began = performance.now();
    const vm = await vmm.boot(config, { signal });
    const agent = createAgentClient({ path: vm.vsockPath, port: agentPort });
    await awaitAgent(agent, { signal });
    await work(agent, performance.now() - began);
    await vm.kill();
  } finally {
    await vmm.sweep({ dir, uid: benchUid });
    rmSync(dir, { recursive: true, force: true });
    rmSync(disks, { recursive: true, force: true });
  }
}

/** Copies made beforehand: a floor knows nothing of disks. */
async function prepare(
  { bundleDir, memoryMib }: BenchOptions,
  bundle: Bundle,
  dir: string,
  disks: string,
): Promise<VmConfig> {
  await chmod(disks, 0o711);
  await chown(dir, 0, benchUid);
  await chmod(dir, 0o710);
  const method = await probeCopyMethod(disks);
  const owner = { uid: benchUid, gid: benchUid };
  const copyOf = async (file: string, mode: number) => {
    const target = join(disks, file);
    await applyCopy(runner, { source: join(bundleDir, file), target, owner, mode }, method, { signal });
    return target;
  };
  const template = bundle.templates[0];
  if (template === undefined) throw new Error(`${bundleDir} has no template`);
  return {
    id: "bench",
    dir,
    uid: benchUid,
    gid: benchUid,
    vcpus: 1,
    memoryMib,
    kernel: await copyOf(bundle.kernel.file, 0o400),
    initramfs: await copyOf(bundle.initramfs.file, 0o400),
    cmdline: guestCmdline(bundle.moduleDisk.filesystem),
    disks: [
      { id: "root", path: await copyOf(template.file, 0o600), readonly: false },
      { id: "modules", path: await copyOf(bundle.moduleDisk.file, 0o400), readonly: true },
    ],
  };
}
