import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "../testing/test-database.ts";
import { listQuery, listSandboxes, type SandboxFilter } from "./sandboxes.ts";

const columns = "id, org_id, state, epoch, template, vcpus, memory_mib, disk_mib, metadata, hardware_isolated, keyed";

let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
  await database.pool.query("insert into organizations values ('o', 'o'), ('p', 'p')");
  // All at the same time: only the id tells them apart in the order.
  await database.pool.query(`insert into sandboxes (${columns}, create_time)
    select 's' || lpad(n::text, 5, '0'), case when n % 10 = 0 then 'p' else 'o' end,
      case when n % 4 = 0 then 'deleted' when n % 4 = 1 then 'failed' else 'running' end,
      1, 'base', 1, 512, 2048, jsonb_build_object('n', n::text, 'user', (n % 500)::text), false, false, 'epoch'
    from generate_series(1, 20000) n`);
  await database.pool.query("analyze sandboxes");
});
afterAll(() => database[Symbol.asyncDispose]());

const all: SandboxFilter = { orgId: "o", states: [], metadata: {}, after: undefined, limit: 1_000 };

test("sandboxes are found by all of the labels and any of the states, page by page", async () => {
  const idsOf = async (filter: Partial<SandboxFilter>) =>
    (await listSandboxes(database.db, { ...all, ...filter })).map(({ id }) => id);
  expect(await idsOf({ metadata: { n: "7" } })).toEqual(["s00007"]);
  expect(await idsOf({ metadata: { n: "7", user: "8" } })).toEqual([]);
  expect(await idsOf({ metadata: { n: "10" } })).toEqual([]); // another organization's
  const wanted = await idsOf({ metadata: { user: "7" }, states: ["running", "failed"] });
  expect(wanted).toHaveLength(40);
  expect(await idsOf({ metadata: { user: "8" } })).toEqual([]);
  expect(await idsOf({ metadata: { user: "8" }, states: ["deleted"] })).toHaveLength(40);
  const paged: string[] = [];
  for (let after: SandboxFilter["after"]; ; ) {
    const page = await listSandboxes(database.db, { ...all, metadata: { user: "7" }, after, limit: 7 });
    paged.push(...page.map(({ id }) => id));
    const last = page.at(-1);
    if (!last) break;
    after = { createTime: last.create_time, id: last.id };
  }
  expect(paged).toEqual(await idsOf({ metadata: { user: "7" } }));
  expect(paged).toEqual([...new Set(paged)].sort().reverse());
});

test.each([
  ["a label", { metadata: { n: "7" } }, "sandboxes_by_metadata"],
  ["a label and a state", { metadata: { user: "7" }, states: ["running"] }, "sandboxes_by_metadata"],
  ["nothing but a page", { limit: 100 }, "sandboxes_by_org"],
] as const)("a list by %s reads few rows", async (_, filter, index) => {
  const plan = await listQuery(database.db, { ...all, ...filter }).explain();
  expect(plan.map((row) => Object.values(row).join()).join("\n")).toContain(index);
});
