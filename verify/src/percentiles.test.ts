import { expect, test } from "vitest";
import { percentilesOf } from "./percentiles.ts";

test("ranks are the nearest of the values themselves", () => {
  const hundred = Array.from({ length: 100 }, (_, n) => 100 - n);
  expect(percentilesOf(hundred)).toEqual({ p50: 50, p95: 95, p99: 99, count: 100 });
  expect(percentilesOf([7])).toEqual({ p50: 7, p95: 7, p99: 7, count: 1 });
  expect(() => percentilesOf([])).toThrow(RangeError);
});
