import { expect, test } from "vitest";
import { BOOT_MS, memoryTimeoutMs, PAUSE_MS } from "./timeouts.ts";

test("a VM's memory has time by its size, at 200 MiB a second", () => {
  expect(memoryTimeoutMs(2000) - memoryTimeoutMs(0)).toBe(10_000);
  expect(memoryTimeoutMs(0)).toBe(BOOT_MS);
});

test("a pause has longer than the 30 s that the VMM gives its disks", () => {
  expect(PAUSE_MS).toBeGreaterThan(30_000);
});
