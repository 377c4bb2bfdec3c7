import { mkdir, open, stat } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, type TestContext, test } from "vitest";
import { pingUntilAnswered } from "./testing/guest-call.ts";
import type { VmmHarness } from "./vmm.contract.ts";
import type { Vm, VmConfig, VmHardware, Vmm } from "./vmm.ts";

export type HardwareHarness = VmmHarness & {
  /** A raw image of the VM's user, 16 MiB long and empty. */
  makeDisk(vm: VmConfig, name: string): Promise<string>;
};

const mib = 2 ** 20;

/** A driver with the capability `hardware` behaves like this. */
export function vmmHardwareContract(name: string, makeHarness: () => Promise<HardwareHarness>): void {
  describe(`${name}: contract of hardware that changes while a VM runs`, () => {
    let harness: HardwareHarness;
    let vmm: Vmm;
    beforeAll(async () => {
      harness = await makeHarness();
      vmm = harness.createVmm();
    });
    afterAll(async () => {
      vmm?.close();
      await harness?.[Symbol.asyncDispose]();
    });

    const options = () => ({ signal: AbortSignal.timeout(60_000) });
    const boot = async (change: (config: VmConfig) => Promise<Partial<VmConfig>> = async () => ({})) => {
      const config = await harness.makeConfig();
      const vm = await vmm.boot({ ...config, ...(await change(config)) }, options());
      onTestFinished(() => vm.kill());
      if (harness.guest !== "bare") {
        await pingUntilAnswered(vm.vsockPath, options().signal);
      }
      return { vm, config, hardware: vm.hardware as VmHardware };
    };
    const needsDriver = (context: TestContext) => {
      if (harness.guest === "bare") {
        context.skip("the guest is a bare kernel: nobody in it lets go of a device");
      }
    };
    const snapshotOf = async (vm: Vm, dir: string) => {
      await vm.pause(options());
      await vm.snapshot(dir, options());
    };

    test("vCPUs go up and down, not over what was reserved, and not below one", async (context) => {
      needsDriver(context);
      const { hardware } = await boot(async () => ({ maxVcpus: 3 }));
      await hardware.setVcpus(3, options());
      await hardware.setVcpus(1, options());
      // The guest may still be at the one before.
      await hardware.setVcpus(2, options());
      for (const wrong of [0, 4, 1.5]) {
        await expect(hardware.setVcpus(wrong, options())).rejects.toThrow(/from 1 to maxVcpus, which is 3/);
      }
    });

    test("a disk grows, is never shrunk, and only where it may be written to", async () => {
      const { hardware, vm } = await boot(async (config) => ({
        disks: [
          { id: "data", path: await harness.makeDisk(config, "data"), readonly: false },
          { id: "base", path: await harness.makeDisk(config, "base"), readonly: true },
        ],
      }));
      await hardware.growDisk("data", 32 * mib, options());
      expect((await stat(vm.handle.config.disks[0]?.path as string)).size).toBe(32 * mib);
      await expect(hardware.growDisk("data", 16 * mib, options())).rejects.toThrow(/never shrunk/);
      for (const id of ["base", "none"]) {
        await expect(hardware.growDisk(id, 64 * mib, options())).rejects.toThrow(new RegExp(`no disk ${id}`));
      }
    });

    test("a disk is added and taken away again; what was refused leaves nothing", async (context) => {
      needsDriver(context);
      const { hardware, config } = await boot();
      const disk = { id: "extra", path: await harness.makeDisk(config, "extra"), readonly: false };
      await hardware.addDisk(disk, options());
      await expect(hardware.addDisk(disk, options())).rejects.toThrow();
      await hardware.removeDisk("extra", options());
      await expect(hardware.removeDisk("extra", options())).rejects.toThrow();
      await expect(hardware.addDisk({ ...disk, path: "/nonexistent" }, options())).rejects.toThrow(/nonexistent/);
      // The image is whole, and the caller's.
      await using file = await open(disk.path);
      expect((await file.stat()).nlink).toBe(1);
      await hardware.addDisk(disk, options());
    });

    test("a VM that was to have no network device gets none", async () => {
      const { hardware } = await boot();
      const net = { id: "eth0", tap: "none", mac: "02:00:00:00:00:01" };
      await expect(hardware.addNet(net, options())).rejects.toThrow(/no network device, ever/);
    });

    test("a snapshot binds what the VM has by then", async (context) => {
      needsDriver(context);
      const { hardware, vm, config } = await boot(async () => ({ maxVcpus: 2 }));
      await hardware.setVcpus(2, options());
      await hardware.addDisk(
        { id: "extra", path: await harness.makeDisk(config, "extra"), readonly: false },
        options(),
      );
      const dir = `${harness.scratch}/grown`;
      await mkdir(dir);
      await snapshotOf(vm, dir);
      const child = { ...(await harness.makeConfig()), maxVcpus: 2 };
      await expect(vmm.restore(child, dir, options())).rejects.toThrow(/vcpus is 2|disks/);
      const disks = [{ id: "extra", path: await harness.makeDisk(child, "extra"), readonly: false }];
      const restored = await vmm.restore({ ...child, vcpus: 2, disks }, dir, options());
      onTestFinished(() => restored.kill());
      await pingUntilAnswered(restored.vsockPath, options().signal);
    });
  });
}
