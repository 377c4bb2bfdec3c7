import { expect, test } from "vitest";
import { endless } from "../domain/lifecycle.ts";
import { insertHost } from "../testing/insert-host.ts";
import { type TestDatabase, testDatabase } from "../testing/test-database.ts";
import { claimPoolVm, claimQuery, type PoolClaim } from "./pool-vms.ts";

const columns =
  "id, org_id, state, epoch, template, vcpus, memory_mib, disk_mib, metadata, hardware_isolated, keyed, host_id";

/** 40 pools with VMs on 10 hosts, beside many sandboxes. */
async function manyRows({ db, pool }: TestDatabase): Promise<void> {
  await pool.query("insert into organizations values ('o', 'o')");
  for (let n = 0; n < 10; n++) await insertHost(db, `h${n}`, { vcpus: 100_000, memoryMib: 1_000_000_000 });
  // In pieces: what one transaction writes to a host's row again and again is slow.
  for (let first = 1; first < 20_000; first += 1_000)
    await pool.query(`insert into sandboxes (${columns})
    select 's' || n, 'o', case when n % 2 = 0 then 'deleted' else 'running' end, 1, 'base', 1, 512, 2048, '{}', false, false,
      case when n % 2 = 1 then 'h' || n % 10 end
    from generate_series(${first}, ${first + 999}) n`);
  await pool.query(`insert into pools (id, template, vcpus, memory_mib, disk_mib, min_ready, max_ready, demand_window_ms)
    select 'p' || n, 'base', 1, 512, n, 10, 10, 120000 from generate_series(0, 39) n`);
  for (let first = 1; first < 8_000; first += 1_000)
    await pool.query(`insert into sandboxes (${columns}, pool_id, template_digest)
    select 'w' || n, null, 'pooled', 1, 'base', 1, 512, 2048, '{}', false, false, 'h' || n % 10, 'p' || n % 40, 'sha256:base'
    from generate_series(${first}, ${first + 999}) n`);
  await pool.query("analyze");
}

const claim: PoolClaim = {
  ...{ orgId: "o", template: "base", vcpus: 1, memoryMib: 512, diskMib: 7, env: {}, metadata: {}, lifecycle: endless },
  ...{ key: undefined, now: new Date() },
};

test("creates at once take each VM once, without waiting for one another, in one statement that reads few rows", async () => {
  await using database = await testDatabase();
  const { db, pool } = database;
  await manyRows(database);
  const { sql, parameters } = claimQuery(claim).compile(db);
  const { rows } = await pool.query(`explain (analyze, costs off, timing off, summary off) ${sql}`, [...parameters]);
  const plan = rows.map((row) => row["QUERY PLAN"] as string).join("\n");
  expect(plan).toContain("sandboxes_pooled");
  expect(plan).not.toContain("Seq Scan on sandboxes");

  const times: number[] = [];
  const got: string[] = [];
  const take = async () => {
    for (;;) {
      const startedAt = performance.now();
      const row = await claimPoolVm(db, claim);
      times.push(performance.now() - startedAt);
      if (!row) return;
      expect(row).toMatchObject({ state: "creating", epoch: "2", org_id: "o", pool_id: "p7" });
      got.push(row.id);
    }
  };
  await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(take));
  expect([got.length, new Set(got).size]).toEqual([199, 199]); // the plan above took the first of 200
  const { rows: demand } = await pool.query("select hit, count(*)::int from pool_demand group by hit order by hit");
  expect(demand).toEqual([
    { hit: false, count: 8 },
    { hit: true, count: 200 },
  ]);
  const [p50, p99] = [0.5, 0.99].map((share) => times.toSorted((a, b) => a - b)[Math.floor(times.length * share)] ?? 0);
  process.stdout.write(`a claim, 8 at a time: P50 ${p50?.toFixed(1)} ms, P99 ${p99?.toFixed(1)} ms\n`);
});
