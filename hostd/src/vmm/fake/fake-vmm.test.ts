import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type VmmHarness, vmmContract } from "../vmm.contract.ts";
import { createFakeVmm } from "./fake-vmm.ts";

async function makeHarness(): Promise<VmmHarness> {
  const invmBinary = process.env.DNAH_TEST_INVM;
  if (invmBinary === undefined) {
    throw new Error("DNAH_TEST_INVM is not set: the agent's program, as `cargo build --release` makes it");
  }
  const root = await mkdtemp("/tmp/dnah-fake-");
  const scratch = join(root, "scratch");
  await mkdir(scratch);
  const kernel = join(root, "kernel");
  const initramfs = join(root, "initramfs");
  await writeFile(kernel, "");
  await writeFile(initramfs, "");
  let made = 0;
  return {
    guest: "host-agent",
    createVmm: () => createFakeVmm({ invmBinary }),
    createBrokenVmm: () => createFakeVmm({ invmBinary: "/nonexistent/invm" }),
    makeConfig: async () => {
      const dir = join(root, `vm-${made++}`);
      await mkdir(dir);
      return {
        id: `t${made}`,
        dir,
        uid: 0,
        gid: 0,
        vcpus: 1,
        memoryMib: 64,
        kernel,
        initramfs,
        cmdline: [],
        disks: [],
      };
    },
    scratch,
    leftovers: async ({ dir }) => [...(await agentsIn(dir)), ...(await readdir(dir))],
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
}

async function agentsIn(dir: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const argvs = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return argvs.filter((argv) => argv.includes(`${dir}/`)).map((argv) => `process ${argv.replaceAll("\0", " ")}`);
}

vmmContract("fake", makeHarness);
