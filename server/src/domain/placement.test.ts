import { expect, test } from "vitest";
import { candidates, lackOf } from "./placement.ts";

const room = (hostId: string, memoryFreeMib: number) => ({ hostId, vcpusFree: 4, memoryFreeMib, diskFreeMib: 4096 });
const size = { vcpus: 1, memoryMib: 512, diskMib: 2048 };

test("the host with the most free memory comes first, full ones not at all", () => {
  const hosts = [room("a", 512), room("b", 4096), room("c", 100)];
  expect(candidates(hosts, size).map(({ hostId }) => hostId)).toEqual(["b", "a"]);
});

test("what is missing is named with what is free", () => {
  expect(lackOf(room("a", 100), { ...size, vcpus: 8 })).toEqual(["8 vCPUs (4 free)", "512 MiB of memory (100 free)"]);
});
