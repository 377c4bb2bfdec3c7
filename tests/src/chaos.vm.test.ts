import { test } from "vitest";
import { chaos } from "./testing/chaos/chaos.ts";

const seed = Number(process.env.DNAH_TEST_SEED ?? Date.now() % 1_000_000);

test(
  "on three hosts that are killed, cut off and filled up nothing acknowledged is lost, nothing lives twice, and nothing is left",
  { timeout: 600_000 },
  () => chaos(160_000, seed),
);
