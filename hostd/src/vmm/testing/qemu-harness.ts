import { chmod, chown, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { createCommandRunner } from "../../host/exec.ts";
import { processesOfUid } from "../../host/process-table.ts";
import { createQemuDriver, type QemuConfig } from "../qemu/driver.ts";
import type { VmmHarness } from "../vmm.contract.ts";
import type { VmConfig } from "../vmm.ts";
import { testBundle, testVsockDevice } from "./test-bundle.ts";

/** Its own for each test process and harness: two that run at once must not end one another's VMs. */
let nextUid = 0x6000_0000 + (process.pid % 2 ** 20) * 256;

export type QemuHarness = VmmHarness & { readonly config: QemuConfig };

export async function makeQemuHarness(): Promise<QemuHarness> {
  const { kernel, initramfs } = testBundle();
  const root = await mkdtemp("/tmp/dnah-vmm-");
  const memoryDir = await mkdtemp("/dev/shm/dnah-vmm-");
  // A VM's user passes through.
  await chmod(root, 0o711);
  await chmod(memoryDir, 0o711);
  const scratch = join(root, "scratch");
  await mkdir(scratch);
  const config: QemuConfig = {
    runner: createCommandRunner(),
    qemuBinary: "qemu-system-x86_64",
    vhostDeviceVsockBinary: testVsockDevice(),
    architecture: "x86_64",
    memoryDir,
  };
  return {
    config,
    guest: "agent",
    createVmm: () => createQemuDriver(config),
    createBrokenVmm: () => createQemuDriver({ ...config, qemuBinary: "/nonexistent/qemu-system-x86_64" }),
    makeConfig: async (): Promise<VmConfig> => {
      const uid = nextUid++;
      const id = `t${uid}`;
      const dir = join(root, id);
      await mkdir(dir, { mode: 0o700 });
      await chown(dir, 0, uid);
      await chmod(dir, 0o710);
      return { id, dir, uid, gid: uid, vcpus: 1, memoryMib: 256, kernel, initramfs, cmdline: [], disks: [] };
    },
    scratch,
    leftovers: async ({ dir, uid }) => [
      ...processesOfUid(uid).map((process) => `process ${process.name}`),
      ...(await readdir(dir)).map((file) => join(dir, file)),
      ...(await readdir(memoryDir)).filter((file) => file === String(uid)),
    ],
    [Symbol.asyncDispose]: async () => {
      await rm(root, { recursive: true });
      await rm(memoryDir, { recursive: true });
    },
  };
}
