/** Room for VMs of the driver alone: their folders and uids, and copies of what they boot from. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { chmod, chown } from "node:fs/promises";
import { join } from "node:path";
import { applyCopy, probeCopyMethod } from "../host/disk/apply.ts";
import { createCommandRunner } from "../host/exec.ts";
import type { Bundle } from "../images/bundle.ts";
import { guestCmdline } from "../vm/guest-cmdline.ts";
import { createQemuDriver } from "../vmm/qemu/driver.ts";
import type { VmConfig, Vmm } from "../vmm/vmm.ts";

/** No daemon gives this uid, or one of the thousand before it, to a VM: their ranges end before them. */
const lastUid = 2_147_483_646;
const { signal } = new AbortController();

export interface BenchOptions {
  readonly bundleDir: string;
  readonly vhostDeviceVsock: string;
  readonly memoryMib: number;
}

export interface BenchHost extends AsyncDisposable {
  readonly vmm: Vmm;
  /** For files of the benchmark's own. */
  readonly scratchDir: string;
  /** A floor knows nothing of disks: all is copied beforehand, the root disk from `rootDisk` or the template. */
  prepare(slot: number, rootDisk?: string): Promise<VmConfig>;
  copy(source: string, target: string): Promise<void>;
}

export async function openBenchHost({ bundleDir, vhostDeviceVsock, memoryMib }: BenchOptions): Promise<BenchHost> {
  const bundle = JSON.parse(readFileSync(join(bundleDir, "bundle.json"), "utf8")) as Bundle;
  const [template] = bundle.templates;
  if (template === undefined) throw new Error(`${bundleDir} has no template`);
  const runner = createCommandRunner();
  const vmm = createQemuDriver({
    runner,
    qemuBinary: `qemu-system-${bundle.architecture}`,
    vhostDeviceVsockBinary: vhostDeviceVsock,
    architecture: bundle.architecture,
    memoryDir: "/dev/shm/dnah-bench",
  });
  const runDir = mkdtempSync("/run/dnah-bench-");
  const scratchDir = mkdtempSync("/var/tmp/dnah-bench-");
  await Promise.all([runDir, scratchDir].map((dir) => chmod(dir, 0o711)));
  const method = await probeCopyMethod(scratchDir);
  const used = new Map<number, string>();

  const copyFor = async (uid: number, source: string, target: string, mode: number) => {
    await applyCopy(runner, { source, target, owner: { uid, gid: uid }, mode }, method, { signal });
    return target;
  };

  const prepare = async (slot: number, rootDisk = join(bundleDir, template.file)): Promise<VmConfig> => {
    const uid = lastUid - slot;
    const dir = join(runDir, String(slot));
    const disks = join(scratchDir, String(slot));
    await vmm.sweep({ dir, uid });
    for (const folder of [dir, disks]) rmSync(folder, { recursive: true, force: true });
    used.set(uid, dir);
    mkdirSync(dir);
    await chown(dir, 0, uid);
    await chmod(dir, 0o710);
    mkdirSync(disks);
    const ofBundle = (file: string) => copyFor(uid, join(bundleDir, file), join(disks, file), 0o400);
    return {
      id: `bench${slot}`,
      ...{ dir, uid, gid: uid, vcpus: 1, memoryMib },
      kernel: await ofBundle(bundle.kernel.file),
      initramfs: await ofBundle(bundle.initramfs.file),
      cmdline: guestCmdline(bundle.moduleDisk.filesystem),
      disks: [
        { id: "root", path: await copyFor(uid, rootDisk, join(disks, "root"), 0o600), readonly: false },
        { id: "modules", path: await ofBundle(bundle.moduleDisk.file), readonly: true },
      ],
    };
  };

  return {
    vmm,
    scratchDir,
    prepare,
    copy: async (source, target) => void (await copyFor(0, source, target, 0o600)),
    [Symbol.asyncDispose]: async () => {
      for (const [uid, dir] of used) await vmm.sweep({ dir, uid });
      for (const dir of [runDir, scratchDir]) rmSync(dir, { recursive: true, force: true });
    },
  };
}
