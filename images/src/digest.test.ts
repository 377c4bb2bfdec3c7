import { expect, test } from "vitest";
import { keyOf } from "./digest.ts";

test("a key depends on the parts, and not on the order of their fields", () => {
  expect(keyOf({ a: 1, b: { c: 2, d: 3 } })).toBe(keyOf({ b: { d: 3, c: 2 }, a: 1 }));
  expect(keyOf({ a: 1 })).not.toBe(keyOf({ a: 2 }));
  expect(keyOf({ a: ["x", "y"] })).not.toBe(keyOf({ a: ["y", "x"] }));
});
