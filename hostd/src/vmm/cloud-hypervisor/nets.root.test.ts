import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createCommandRunner } from "../../host/exec.ts";
import type { VmConfig, VmHardware, Vmm, VmNet } from "../vmm.ts";
import { tapLack } from "./tap.ts";
import { type ChHarness, makeChHarness } from "./testing/harness.ts";
import { subject } from "./testing/subject.ts";

const runner = createCommandRunner();
const options = () => ({ signal: AbortSignal.timeout(60_000) });
const { name, prepare } = subject();
let made = 0;

/** A TAP that nothing is sent over: it is never set up. */
async function makeTap(uid: number, ...flags: string[]): Promise<string> {
  const tap = `dnt${process.pid % 100_000}x${made++}`;
  await runner.run(["ip", "tuntap", "add", "dev", tap, "mode", "tap", "user", String(uid), ...flags], options());
  onTestFinished(async () => {
    await runner.run(["ip", "tuntap", "del", "dev", tap, "mode", "tap", ...flags.slice(1)], options());
  });
  return tap;
}

describe(`network devices of VMs under ${name}`, () => {
  let harness: ChHarness;
  let vmm: Vmm;
  beforeAll(async () => {
    harness = await makeChHarness(prepare);
    vmm = harness.createVmm();
  });
  afterAll(async () => {
    vmm?.close();
    await harness?.[Symbol.asyncDispose]();
  });

  const makeNet = async ({ uid }: VmConfig, id = "eth0"): Promise<VmNet> => ({
    ...{ id, tap: await makeTap(uid, "vnet_hdr"), mac: "02:00:00:00:00:01" },
  });

  test("are persistent TAPs of the VM's user, made before", async () => {
    const { uid } = await harness.makeConfig();
    expect(await tapLack(await makeTap(uid, "vnet_hdr"), uid)).toBeUndefined();
    expect(await tapLack(await makeTap(uid + 1, "vnet_hdr"), uid)).toMatch(/belongs to uid/);
    expect(await tapLack(await makeTap(uid), uid)).toMatch(/must have vnet_hdr/);
    expect(await tapLack(await makeTap(uid, "vnet_hdr", "multi_queue"), uid)).toMatch(/not multi_queue/);
    expect(await tapLack("lo", uid)).toMatch(/no TAP/);
  });

  test("are there from the boot, are another in a restored VM, and come and go", async (context) => {
    const config = await harness.makeConfig();
    const vm = await vmm.boot({ ...config, nets: [await makeNet(config)] }, options());
    onTestFinished(() => vm.kill());
    const dir = await mkdtemp(join(harness.scratch, "net-"));
    await vm.pause(options());
    await vm.snapshot(dir, options());
    const childConfig = await harness.makeConfig();
    await expect(vmm.restore(childConfig, dir, options())).rejects.toThrow(/nets is/);
    const child = await vmm.restore({ ...childConfig, nets: [await makeNet(childConfig)] }, dir, options());
    onTestFinished(() => child.kill());
    if (harness.guest === "bare") {
      context.skip("the guest is a bare kernel: nobody in it lets go of a device");
    }
    const hardware = child.hardware as VmHardware;
    await hardware.addNet(await makeNet(childConfig, "eth1"), options());
    await hardware.removeNet("eth1", options());
    await hardware.removeNet("eth0", options());
  });

  test("are refused before anything is started where the TAP is not as it should be", async () => {
    const config = await harness.makeConfig();
    const nets = [{ id: "eth0", tap: "no-such-tap", mac: "02:00:00:00:00:01" }];
    await expect(vmm.boot({ ...config, nets }, options())).rejects.toThrow(/eth0: no-such-tap is no TAP device/);
    const wrong = { ...(await makeNet(config)), mac: "01:00:5e:00:00:01" };
    await expect(vmm.boot({ ...config, nets: [wrong] }, options())).rejects.toThrow(/no address of the kind/);
    expect(await harness.leftovers(config)).toEqual([]);
  });
});
