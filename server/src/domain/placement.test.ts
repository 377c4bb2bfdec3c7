import { expect, test } from "vitest";
import { lackOf } from "./placement.ts";

const room = { hostId: "a", vcpusFree: 4, memoryFreeMib: 100, diskFreeMib: 4096 };

test("what is missing is named with what is free", () => {
  const size = { vcpus: 8, memoryMib: 512, diskMib: 2048 };
  expect(lackOf(room, size)).toEqual([
    { asked: "8 vCPUs", free: 4 },
    { asked: "512 MiB of memory", free: 100 },
  ]);
  expect(lackOf(room, { vcpus: 4, memoryMib: 100, diskMib: 4096 })).toEqual([]);
});
