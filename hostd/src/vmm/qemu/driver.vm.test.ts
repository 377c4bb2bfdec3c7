import { mkdir, readFile, rename, symlink, truncate } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { sleep } from "@daytonah/lib/sleep.ts";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { applyCopy } from "../../host/disk/apply.ts";
import { isAlive, killProcess, processesOfUid } from "../../host/process-table.ts";
import { guestCall, ping, pingUntilAnswered } from "../testing/guest-call.ts";
import { makeQemuHarness, type QemuHarness } from "../testing/qemu-harness.ts";
import { testBundle } from "../testing/test-bundle.ts";
import { vmmContract } from "../vmm.contract.ts";
import type { Vm, VmConfig, Vmm } from "../vmm.ts";
import { VSOCK_DEVICE_NAME } from "./vsock-device.ts";

vmmContract("qemu", makeQemuHarness);

describe("qemu", () => {
  let harness: QemuHarness;
  let vmm: Vmm;

  beforeAll(async () => {
    harness = await makeQemuHarness();
    vmm = harness.createVmm();
  });
  afterAll(async () => {
    vmm?.close();
    await harness?.[Symbol.asyncDispose]();
  });

  const options = () => ({ signal: AbortSignal.timeout(90_000) });
  const boot = async (config: VmConfig): Promise<Vm> => {
    const vm = await vmm.boot(config, options());
    onTestFinished(() => vm.kill());
    await pingUntilAnswered(vm.vsockPath, options().signal);
    return vm;
  };
  const withDisks = async (): Promise<VmConfig> => {
    const config = await harness.makeConfig();
    const { template, moduleDisk, moduleFilesystem } = testBundle();
    const root = join(harness.scratch, `${config.id}.ext4`);
    await applyCopy(harness.config.runner, { source: template, target: root, owner: config }, "sparse", options());
    return {
      ...config,
      vcpus: 2,
      memoryMib: 512,
      cmdline: ["dnah.root=/dev/vda", "dnah.modules=/dev/vdb", `dnah.modules_fs=${moduleFilesystem}`],
      disks: [
        { id: "root", path: root, readonly: false },
        { id: "modules", path: moduleDisk, readonly: true },
      ],
    };
  };
  const shell = async (vm: Vm, line: string): Promise<string> => {
    const id = `p${Math.random().toString(36).slice(2)}`;
    const value = { processId: id, command: { case: "shell" as const, value: { line } }, user: "root" };
    let out = "";
    for await (const { event } of guestCall(vm.vsockPath, { case: "startProcess", value }, options().signal)) {
      if (event.case === "processOutput") {
        out += Buffer.from(event.value.data).toString();
      }
      if (event.case === "end" && event.value.error) {
        throw new Error(event.value.error.message);
      }
    }
    return out;
  };

  test("gives the guest its disks in order and its CPUs, and restores them with their content in memory", async () => {
    const config = await withDisks();
    const vm = await boot(config);
    expect(await shell(vm, "nproc; grep -c /dev/vda /proc/mounts; ls /lib/modules | wc -l")).toBe("2\n1\n1\n");
    await shell(vm, "echo kept > /dev/shm/note; echo kept > /root/note; sync");
    await vm.pause(options());
    const dir = await mkdirIn(harness.scratch, "disks");
    await vm.snapshot(dir, options());
    const child = await harness.makeConfig();
    const disk = join(harness.scratch, `${child.id}.ext4`);
    const source = (config.disks[0] as { path: string }).path;
    await applyCopy(harness.config.runner, { source, target: disk, owner: child }, "sparse", options());
    await vm.kill();
    const { vcpus, memoryMib, cmdline, disks } = config;
    const restored = await vmm.restore(
      {
        ...child,
        vcpus,
        memoryMib,
        cmdline,
        disks: disks.map((one) => (one.readonly ? one : { ...one, path: disk })),
      },
      dir,
      options(),
    );
    onTestFinished(() => restored.kill());
    await pingUntilAnswered(restored.vsockPath, options().signal);
    expect(await shell(restored, "cat /dev/shm/note /root/note; echo more > /root/more; sync; cat /root/more")).toBe(
      "kept\nkept\nmore\n",
    );
  });

  describe("one VM, which stays what it is:", () => {
    let vm: Vm;
    beforeAll(async () => {
      vm = await vmm.boot(await withDisks(), options());
      await pingUntilAnswered(vm.vsockPath, options().signal);
    });
    afterAll(() => vm?.kill());

    test("replaces a vsock device whose process ended; the guest's processes go on", async () => {
      const before = await ping(vm.vsockPath, options().signal);
      const device = processesOfUid(vm.handle.config.uid).find((one) => one.name === VSOCK_DEVICE_NAME);
      killProcess(device as { pid: number; startTime: string }, "SIGKILL");
      await sleep(50, options());
      expect(await pingUntilAnswered(vm.vsockPath, options().signal)).toBeGreaterThan(before);
      expect(isAlive(vm.handle)).toBe(true);
    });

    test("keeps the device alive through bytes, dials and closes that come while the VM is paused", async () => {
      const open = await Promise.all([openConnection(vm.vsockPath), openConnection(vm.vsockPath)]);
      await vm.pause(options());
      for (const socket of open) {
        socket.write(Buffer.alloc(100_000, 1));
        socket.end();
      }
      open[0]?.destroy();
      for (let i = 0; i < 20; i++) {
        const socket = connect(vm.vsockPath, () => socket.write("CONNECT 18047\n"));
        setTimeout(() => socket.destroy(), i * 10);
      }
      await sleep(300, options());
      await vm.resume(options());
      await ping(vm.vsockPath, options().signal);
    });

    test("follows no link that a VMM puts in the place of its vsock", async () => {
      const device = join(vm.handle.config.dir, "own", "vsock-device");
      await rename(device, `${device}.kept`);
      await symlink(`${device}.kept`, device);
      await expect(ping(vm.vsockPath, options().signal)).rejects.toThrow();
      await rename(`${device}.kept`, device);
      await ping(vm.vsockPath, options().signal);
    });

    test("a guest that floods its console fills no disk", async () => {
      await shell(vm, "head -c 3000000 /dev/zero | tr '\\0' x > /dev/ttyS0");
      const { dir } = vm.handle.config;
      expect((await readFile(join(dir, "qemu.log"))).length).toBeLessThan(100_000);
      expect((await vm.readConsole(options())).length).toBeLessThanOrEqual(64 * 1024);
    });

    test("hands on what the guest wrote to its console, once", async () => {
      await shell(vm, "echo for-the-log > /dev/ttyS0");
      expect(Buffer.from(await vm.readConsole(options())).toString()).toMatch(/for-the-log\r?\n$/);
      expect(Buffer.from(await vm.readConsole(options())).toString()).toBe("");
    });

    test("moves megabytes both ways unharmed", async () => {
      const payload = Buffer.alloc(3 * 1024 * 1024, "0123456789abcdef-");
      const since = performance.now();
      for (let i = 0; i < 4; i++) {
        for await (const { event } of guestCall(vm.vsockPath, { case: "ping", value: { payload } }, options().signal)) {
          expect(event.case === "pong" ? Buffer.compare(event.value.payload, payload) : 0).toBe(0);
        }
      }
      console.log(`vsock: ${Math.round((2 * 4 * 3 * 1000) / (performance.now() - since))} MiB/s`);
    });
  });

  test("a guest that panics has died, and its console tells why", async () => {
    const { kernel } = testBundle();
    const config = await harness.makeConfig();
    // A kernel finds no init in another kernel.
    await expect(vmm.boot({ ...config, initramfs: kernel }, options())).rejects.toThrow(/[Kk]ernel panic/);
    expect(await harness.leftovers(config)).toEqual([]);
  });

  test("refuses a snapshot whose memory is torn, and leaves nothing", async () => {
    const vm = await boot(await harness.makeConfig());
    await vm.pause(options());
    const dir = await mkdirIn(harness.scratch, "torn");
    await vm.snapshot(dir, options());
    await vm.kill();
    await truncate(join(dir, "device-state"), 1000);
    const config = await harness.makeConfig();
    await expect(vmm.restore(config, dir, options())).rejects.toThrow();
    expect(await harness.leftovers(config)).toEqual([]);
  });
});

async function mkdirIn(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  return path;
}

function openConnection(path: string) {
  return new Promise<Socket>((resolve, reject) => {
    const socket = connect(path, () => socket.write("CONNECT 18047\n"));
    socket.once("data", () => resolve(socket));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed")));
    socket.on("error", () => {});
  });
}
