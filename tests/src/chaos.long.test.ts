import { test } from "vitest";
import { chaos } from "./testing/chaos.ts";

const seed = Number(process.env.DNAH_CHAOS_SEED ?? Date.now() % 1_000_000);
const creates = Number(process.env.DNAH_CHAOS_CREATES ?? 1000);

test(
  "hundreds of creates under random kill -9 leak nothing, and survivors keep their data",
  { timeout: 3 * 3_600_000 },
  () => chaos(creates, seed),
);
