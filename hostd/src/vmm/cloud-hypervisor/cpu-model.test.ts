import { expect, test } from "vitest";
import { cpuModelOf, readCpuModel } from "./cpu-model.ts";

const intel = (flags: string, stepping = "6") => `processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 106
model name\t: Intel(R) Xeon(R)
stepping\t: ${stepping}
microcode\t: 0x1
cpu MHz\t\t: 2000.000
flags\t\t: ${flags}

processor\t: 1
`;

test("processors with the same features are the same, in whatever order they are listed", () => {
  expect(cpuModelOf(intel("fpu avx2"))).toBe(cpuModelOf(intel("avx2 fpu")));
  expect(cpuModelOf(intel("fpu avx2"))).toMatch(/^GenuineIntel\/6\/106\/6\/0x1\/[0-9a-f]{16}$/);
});

test("another feature or stepping makes another", () => {
  expect(cpuModelOf(intel("fpu"))).not.toBe(cpuModelOf(intel("fpu avx2")));
  expect(cpuModelOf(intel("fpu", "7"))).not.toBe(cpuModelOf(intel("fpu")));
});

test("arm64 says it in other words", () => {
  const arm = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n\n";
  expect(cpuModelOf(arm)).toMatch(/^0x41\/0xd0c\/[0-9a-f]{16}$/);
});

test("this host has one", async () => {
  expect(await readCpuModel()).toMatch(/\/[0-9a-f]{16}$/);
});
