/** Waits, after the last fault, until the platform has mended what it left, and says what it has not. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "../../../../server/src/db/open-database.ts";

/** Of sandboxes that something is being done to, or whose host was not heard of since. */
const passing = ["creating", "pausing", "resuming", "deleting", "lost"] as const;

/** How long it took until every host was heard of again, in milliseconds; after `limitMs` it is no longer waited for. */
export async function untilAllReady({ db }: Database, limitMs: number): Promise<number> {
  return timeUntil(limitMs, async () => {
    const away = await db.selectFrom("hosts").select("id").where("state", "!=", "ready").execute();
    return away.length === 0;
  });
}

/** How long it took until nothing was under way, in milliseconds; after `limitMs` it is no longer waited for. */
export async function untilSettled({ db }: Database, limitMs: number): Promise<number> {
  return timeUntil(limitMs, async () => {
    const sandboxes = await db
      .selectFrom("sandboxes")
      .select("id")
      .where((row) => row.or([row("state", "in", passing), row("transfer", "is not", null)]))
      .execute();
    const snapshots = await db
      .selectFrom("snapshots")
      .select("id")
      .where((row) => row.or([row("state", "in", ["creating", "deleting"]), row("transfer", "is not", null)]))
      .execute();
    return sandboxes.length + snapshots.length === 0;
  });
}

async function timeUntil(limitMs: number, holds: () => Promise<boolean>): Promise<number> {
  const began = performance.now();
  for (;;) {
    const held = await holds();
    const passed = Math.round(performance.now() - began);
    if (held || passed > limitMs) return passed;
    await sleep(200);
  }
}

/** Looks again until there are no problems, or these have lasted for `limitMs` of quiet. */
export async function untilNone(limitMs: number, find: () => Promise<string[]>): Promise<string[]> {
  const until = performance.now() + limitMs;
  for (;;) {
    const problems = await find();
    if (problems.length === 0 || performance.now() > until) return problems;
    await sleep(250);
  }
}
