import { expect, test } from "vitest";
import { severalVmms } from "./several-vmms.ts";
import type { VmConfig, VmHandle, Vmm } from "./vmm.ts";

function noted(name: string, calls: string[]): Vmm {
  const note = (what: string) => {
    calls.push(`${name} ${what}`);
  };
  return {
    name,
    capabilities: {
      ...{
        hardwareIsolated: name === "one",
        snapshot: false,
        copyOnWriteRestore: false,
        clockInPause: "stands",
        nets: false,
        hardware: false,
      },
    },
    unavailable: async () => undefined,
    memoryClass: async () => name,
    boot: async () => Promise.reject(new Error(`boot by ${name}`)),
    restore: async () => Promise.reject(new Error(`restore by ${name}`)),
    adopt: async () => void note("adopts"),
    sweep: async () => note("sweeps"),
    close: () => note("closes"),
  };
}

test("starts by the first, adopts by the one that started, and sweeps and closes all", async () => {
  const calls: string[] = [];
  const vmm = severalVmms(noted("one", calls), [noted("two", calls)]);
  const options = { signal: AbortSignal.timeout(1000) };
  expect([vmm.name, vmm.capabilities.hardwareIsolated]).toEqual(["one", true]);
  await expect(vmm.boot({} as VmConfig, options)).rejects.toThrow("boot by one");
  for (const driver of ["one", "two", "gone"]) {
    await vmm.adopt({ driver } as VmHandle, options);
  }
  await vmm.sweep({ dir: "/d", uid: 0x10000 });
  vmm.close();
  expect(calls).toEqual([
    ...["one adopts", "two adopts", "one adopts"],
    ...["one sweeps", "two sweeps", "one closes", "two closes"],
  ]);
});
