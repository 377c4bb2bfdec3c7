import { chmod, chown, mkdir, mkdtemp, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { probeCopyMethod } from "../../../host/disk/apply.ts";
import { createCommandRunner } from "../../../host/exec.ts";
import { processesOfUid } from "../../../host/process-table.ts";
import type { VmmHarness } from "../../vmm.contract.ts";
import type { VmConfig } from "../../vmm.ts";
import { type CloudHypervisorConfig, createCloudHypervisorDriver } from "../driver.ts";

/** Its own for each test process and harness: two that run at once must not end one another's VMs. */
let nextUid = 0x5000_0000 + (process.pid % 2 ** 20) * 256;

export interface ChHarness extends VmmHarness {
  readonly config: CloudHypervisorConfig;
  /** A raw image of the VM's user, 16 MiB long and empty. */
  makeDisk(vm: VmConfig, name: string): Promise<string>;
}

/** The program under test and what its VMs boot; made in `root`, which goes with the harness. */
export type ChSubject = Pick<CloudHypervisorConfig, "binary" | "landlock" | "devices" | "restoreStrategy"> &
  Pick<VmConfig, "kernel" | "initramfs"> &
  Pick<VmmHarness, "guest">;

export async function makeChHarness(prepare: (root: string) => Promise<ChSubject>): Promise<ChHarness> {
  const root = await mkdtemp("/var/tmp/dnah-ch-");
  // A VM's user passes through.
  await chmod(root, 0o711);
  const { kernel, initramfs, guest, ...program } = await prepare(root);
  const scratch = join(root, "scratch");
  await mkdir(scratch);
  const stateDir = join(root, "state");
  const config: CloudHypervisorConfig = {
    runner: createCommandRunner(),
    copyMethod: await probeCopyMethod(root),
    architecture: "x86_64",
    stateDir,
    ...program,
  };
  return {
    config,
    guest,
    createVmm: () => createCloudHypervisorDriver(config),
    createBrokenVmm: () => createCloudHypervisorDriver({ ...config, binary: "/nonexistent/cloud-hypervisor" }),
    makeConfig: async (): Promise<VmConfig> => {
      const uid = nextUid++;
      const id = `t${uid}`;
      const dir = join(root, id);
      await mkdir(dir, { mode: 0o700 });
      await chown(dir, 0, uid);
      await chmod(dir, 0o710);
      return { id, dir, uid, gid: uid, vcpus: 1, memoryMib: 256, kernel, initramfs, cmdline: [], disks: [] };
    },
    makeDisk: async ({ uid, gid }, name) => {
      const path = join(root, `${uid}-${name}.raw`);
      await using file = await open(path, "wx", 0o600);
      await file.truncate(16 * 1024 * 1024);
      await file.chown(uid, gid);
      return path;
    },
    scratch,
    leftovers: async ({ dir, uid }) => [
      ...processesOfUid(uid).map((process) => `process ${process.name}`),
      ...(await readdir(dir)).map((file) => join(dir, file)),
      ...(await readdir(stateDir).catch(() => [])).filter((file) => file === String(uid)),
    ],
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
}
