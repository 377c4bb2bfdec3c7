import { expect, test } from "vitest";
import { testSeed } from "../testing/random.ts";
import { fuzzAgent } from "./testing/fuzz-agent.ts";

const seed = testSeed();
const rounds = Number(process.env.DNAH_TEST_FUZZ_ROUNDS);

test(`${rounds} streams of bytes that an agent may send are refused or can be told (DNAH_TEST_SEED=${seed})`, () => {
  expect(rounds, "DNAH_TEST_FUZZ_ROUNDS, which `npm run test:long` sets").toBeGreaterThan(0);
  expect(fuzzAgent(seed, rounds).refused).toBeGreaterThan(rounds / 10);
});
