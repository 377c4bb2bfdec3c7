import { existsSync, readFileSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { createCommandRunner } from "../../host/exec.ts";
import { processesOfUid } from "../../host/process-table.ts";
import { type VmmHarness, vmmContract } from "../vmm.contract.ts";
import type { VmConfig } from "../vmm.ts";
import { createQemuDriver, type QemuConfig } from "./driver.ts";

/** Its own for each test process: two that run at once must not end one another's VMs. */
const firstUid = 0x6000_0000 + (process.pid % 2 ** 20) * 256;

async function makeHarness(): Promise<VmmHarness> {
  const bundle = readBundle();
  const root = await mkdtemp("/tmp/dnah-vmm-");
  const memoryDir = await mkdtemp("/dev/shm/dnah-vmm-");
  // A VM's user passes through.
  await chmod(root, 0o711);
  await chmod(memoryDir, 0o711);
  const scratch = join(root, "scratch");
  await mkdir(scratch);
  const vsock = vhostDeviceVsock();
  const config: QemuConfig = {
    runner: createCommandRunner(),
    qemuBinary: "qemu-system-x86_64",
    vhostDeviceVsockBinary: vsock,
    architecture: "x86_64",
    memoryDir,
  };
  let made = 0;
  return {
    createVmm: () => createQemuDriver(config),
    createBrokenVmm: () => createQemuDriver({ ...config, qemuBinary: "/nonexistent/qemu-system-x86_64" }),
    makeConfig: async (): Promise<VmConfig> => {
      const uid = firstUid + made++;
      const dir = join(root, `vm-${uid}`);
      await mkdir(dir, { mode: 0o700 });
      await chown(dir, uid, uid);
      const { kernel, initramfs } = bundle;
      return {
        id: `t${made}`,
        dir,
        uid,
        gid: uid,
        vcpus: 1,
        memoryMib: 256,
        kernel,
        initramfs,
        cmdline: [],
        disks: [],
      };
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

function readBundle(): { readonly kernel: string; readonly initramfs: string } {
  const dir = process.env.DNAH_TEST_BUNDLE;
  if (dir === undefined) {
    throw new Error(
      "DNAH_TEST_BUNDLE is not set: the folder of a guest bundle, as `node images/src/build.ts` prints it",
    );
  }
  const bundle = JSON.parse(readFileSync(join(dir, "bundle.json"), "utf8"));
  return { kernel: join(dir, bundle.kernel.file), initramfs: join(dir, bundle.initramfs.file) };
}

function vhostDeviceVsock(): string {
  const name = "vhost-device-vsock";
  const folders = [...(process.env.PATH ?? "").split(delimiter), join(homedir(), ".cargo/bin")];
  const found = process.env.DNAH_VHOST_DEVICE_VSOCK ?? folders.map((one) => join(one, name)).find(existsSync);
  if (found === undefined) {
    throw new Error(`${name} is neither in PATH nor in ~/.cargo/bin; set DNAH_VHOST_DEVICE_VSOCK to its path`);
  }
  return found;
}

vmmContract("qemu", makeHarness);
