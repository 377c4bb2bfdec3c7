import { expect, test } from "vitest";
import { testSeed } from "../testing/random.ts";
import { fuzzAgent } from "./testing/fuzz-agent.ts";

const seed = testSeed();

test(`whatever bytes an agent sends are refused or can be told (DNAH_TEST_SEED=${seed})`, () => {
  const { decoded, refused } = fuzzAgent(seed, 1_500);
  // Each kind of event was among what came through, and much of it was broken.
  expect(Object.keys(decoded).length).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(150);
});
