import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, expect } from "vitest";

/** What this process holds on to, after a collection. */
export function heldBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Holds the tests of a file to it that hardly anything of them is kept. */
export function keepsNothing(): void {
  let before: number;
  beforeAll(() => {
    before = heldBytes();
  });
  afterAll(() => {
    expect(heldBytes() - before).toBeLessThan(24 * 1024 * 1024);
  });
}
