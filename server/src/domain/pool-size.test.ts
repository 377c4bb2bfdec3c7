import { expect, test } from "vitest";
import { toFill, wantedReady } from "./pool-size.ts";

test("a fixed pool has its number; one by demand what came, within its bounds", () => {
  const sizes = [
    [{ minReady: 2, maxReady: 0 }, 0],
    [{ minReady: 2, maxReady: 0 }, 50],
    [{ minReady: 1, maxReady: 10 }, 0],
    [{ minReady: 1, maxReady: 10 }, 7],
    [{ minReady: 1, maxReady: 10 }, 50],
    [{ minReady: 0, maxReady: 10 }, 0],
  ] as const;
  expect(sizes.map(([policy, demand]) => wantedReady(policy, demand))).toEqual([2, 2, 1, 7, 10, 0]);
});

test("what boots already counts, and only so many boot at once", () => {
  expect(toFill(3, { ready: 1, filling: 1 })).toBe(1);
  expect(toFill(3, { ready: 3, filling: 0 })).toBe(0);
  expect(toFill(1, { ready: 3, filling: 0 })).toBe(0);
  expect(toFill(100, { ready: 0, filling: 0 })).toBe(8);
  expect(toFill(100, { ready: 0, filling: 6 })).toBe(2);
});
