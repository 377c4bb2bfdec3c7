import { test } from "vitest";
import { chaos } from "./testing/chaos.ts";

const seed = Number(process.env.DNAH_CHAOS_SEED ?? Date.now() % 1_000_000);

test("sixty creates under random kill -9 leak nothing, and survivors keep their data", { timeout: 900_000 }, () =>
  chaos(60, seed),
);
