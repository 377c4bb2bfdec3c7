import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { vmmContract } from "../vmm.contract.ts";
import { vmmHardwareContract } from "../vmm-hardware.contract.ts";
import { snapshotFilesOf } from "./snapshot-files.ts";
import { COUNTER_ADDRESS } from "./testing/bare-kernel.ts";
import { type ChHarness, makeChHarness } from "./testing/harness.ts";
import { realBinary, realWithBareKernel } from "./testing/real-subject.ts";
import { subject } from "./testing/subject.ts";

const { name, prepare } = subject();
console.log(`cloud-hypervisor: these tests run against: ${name}`);

vmmContract(name, () => makeChHarness(prepare));
vmmHardwareContract(name, () => makeChHarness(prepare));

describe("memory of real VMs", () => {
  let harness: ChHarness;
  beforeAll(async () => {
    if (realBinary() !== undefined) {
      harness = await makeChHarness(realWithBareKernel);
    }
  });
  afterAll(async () => await harness?.[Symbol.asyncDispose]());

  test.for([256, 4096])("of %i MiB goes on in each of those restored from it, for itself", async (mib, context) => {
    if (realBinary() === undefined) {
      context.skip("only a real VM has memory: CLOUD_HYPERVISOR names no binary");
    }
    const vmm = harness.createVmm();
    const options = () => ({ signal: AbortSignal.timeout(120_000) });
    const config = async () => ({ ...(await harness.makeConfig()), memoryMib: mib });
    const snapshot = async (vm: Awaited<ReturnType<typeof vmm.boot>>, label: string) => {
      const dir = join(harness.scratch, `${mib}-${label}`);
      await mkdir(dir);
      await vm.pause(options());
      await vm.snapshot(dir, options());
      await vm.resume(options());
      await using memory = await open(snapshotFilesOf(dir).memory);
      const count = (await memory.read(Buffer.alloc(4), 0, 4, COUNTER_ADDRESS)).buffer.readUInt32LE();
      return { dir, count };
    };
    const parent = await vmm.boot(await config(), options());
    onTestFinished(() => parent.kill());
    const first = await snapshot(parent, "parent");
    expect(first.count).toBeGreaterThan(0);
    for (const label of ["one", "two"]) {
      const child = await vmm.restore(await config(), first.dir, options());
      onTestFinished(() => child.kill());
      console.log(`${mib} MiB, child ${label}: ${Math.round((await child.residentBytes()) / 2 ** 20)} MiB resident`);
      const { count } = await snapshot(child, label);
      expect((count - first.count) >>> 0).toBeGreaterThan(0);
    }
    // The file that the children map is as it was.
    await using memory = await open(snapshotFilesOf(first.dir).memory);
    expect((await memory.read(Buffer.alloc(4), 0, 4, COUNTER_ADDRESS)).buffer.readUInt32LE()).toBe(first.count);
  });
});
