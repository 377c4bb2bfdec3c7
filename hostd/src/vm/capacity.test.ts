import { expect, test } from "vitest";
import { hostSize } from "./capacity.ts";

test.each([
  ["a tenth for the host", 20_480, {}, 18_432],
  ["a gibibyte for a small host", 4_096, {}, 3_072],
  ["what it was told, whatever there is", 4_096, { memoryMib: 9_000 }, 9_000],
  ["memory offered more than once where it was told to", 20_480, { memoryOvercommit: 1.5 }, 27_648],
])("a host keeps %s", (_, totalMib, options, memoryMib) => {
  expect(hostSize(4, totalMib, options)).toEqual({ vcpus: 64, memoryMib });
});
