import { test } from "vitest";
import { chaos } from "./testing/chaos/chaos.ts";

const seed = Number(process.env.DNAH_TEST_SEED ?? Date.now() % 1_000_000);
const minutes = Number(process.env.DNAH_TEST_CHAOS_MINUTES ?? 30);

test(
  "for half an hour, or as long as asked, three hosts lose nothing acknowledged while they are killed, cut off and filled up",
  { timeout: minutes * 60_000 + 1_200_000 },
  () => chaos(minutes * 60_000, seed),
);
