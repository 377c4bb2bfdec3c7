/** A seeded random source (mulberry32), so that a failed run can be played again. */
import { randomInt } from "node:crypto";

/** From 0 up to, not including, `below`. */
export type Random = (below: number) => number;

export function randomFrom(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Put it into the test's name: DNAH_TEST_SEED plays it again. */
export function testSeed(): number {
  return Number(process.env.DNAH_TEST_SEED ?? randomInt(2 ** 31));
}
