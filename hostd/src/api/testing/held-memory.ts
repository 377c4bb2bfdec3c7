import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, expect } from "vitest";

/** More than one: what hangs on a weak reference or waits to be finalized goes with the next, after a turn of the loop. */
const collections = 4;

/** What this process holds on to, after collections. */
export async function heldBytes(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let n = 0; n < collections; n += 1) {
    collect();
    await setImmediate();
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Holds the tests of a file to it that hardly anything of them is kept. */
export function keepsNothing(): void {
  let before: number;
  beforeAll(async () => {
    before = await heldBytes();
  });
  afterAll(async () => {
    expect((await heldBytes()) - before).toBeLessThan(24 * 1024 * 1024);
  });
}
