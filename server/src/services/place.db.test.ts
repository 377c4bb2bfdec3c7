import { problemOf } from "@daytonah/lib/problem.ts";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { moveSandbox } from "../db/move-sandbox.ts";
import { insertOrganization } from "../db/organizations.ts";
import { insertSandbox, type SandboxRow } from "../db/sandboxes.ts";
import type { Db } from "../db/schema.ts";
import { endless } from "../domain/lifecycle.ts";
import type { PlacementRequest } from "../domain/placement.ts";
import { type SandboxState, sandboxStates, statesHoldingRoom } from "../domain/sandbox-state.ts";
import { type HostOffer, insertHost } from "../testing/insert-host.ts";
import { testDatabase } from "../testing/test-database.ts";
import { place } from "./place.ts";

const request: PlacementRequest = { template: "base", vcpus: 1, memoryMib: 512, diskMib: 0 };
const full = { memoryMib: 500 };

interface Case {
  readonly what: string;
  readonly hosts: Readonly<Record<string, HostOffer>>;
  readonly ask?: Partial<PlacementRequest>;
  readonly change?: string;
  /** Host, or the reason and a part of the sentence. */
  readonly expected: string | readonly [string, RegExp];
}

const cases: readonly Case[] = [
  {
    what: "the emptiest host by memory",
    hosts: { a: { memoryMib: 4_000 }, b: { memoryMib: 8_000 } },
    change: "update host_loads set memory_mib = 2000, vms = 1 where host_id = 'a'",
    expected: "b",
  },
  {
    what: "the emptiest by processors, where those are scarcer",
    hosts: { a: {}, b: {} },
    change: "update host_loads set vcpus = 60 where host_id = 'a'",
    expected: "b",
  },
  { what: "the first by name of two alike", hosts: { b: {}, a: {} }, expected: "a" },
  { what: "no full host", hosts: { a: full, b: {} }, expected: "b" },
  { what: "no host without the template", hosts: { a: { templates: {} }, b: {} }, expected: "b" },
  {
    what: "no host whose VMM needs the rest of the memory",
    hosts: { a: { memoryMib: 600, vmOverheadMib: 100 }, b: { memoryMib: 600, vmOverheadMib: 10 } },
    expected: "b",
  },
  { what: "no host without disk for the template", hosts: { a: { diskFreeMib: 2_000 }, b: {} }, expected: "b" },
  {
    what: "no host without disk for what is asked",
    hosts: { a: { diskFreeMib: 3_000 }, b: {} },
    ask: { diskMib: 4_000 },
    expected: "b",
  },
  { what: "no draining host", hosts: { a: {}, b: {} }, change: "update hosts set draining = id = 'a'", expected: "b" },
  {
    what: "no host that does not answer",
    hosts: { a: {}, b: {} },
    change: "update hosts set state = 'unreachable' where id = 'a'",
    expected: "b",
  },
  {
    what: "only a host of the memory's class",
    hosts: { a: { cpuClass: "old" }, b: { cpuClass: "new" } },
    ask: { cpuClass: "new" },
    expected: "b",
  },
  {
    what: "only a host that has the snapshot, whatever templates it has",
    hosts: { a: {}, b: { templates: {} } },
    ask: { hostIds: ["b"], diskMib: 2_048 },
    expected: "b",
  },
  { what: "nobody where nobody is", hosts: {}, expected: ["HOST_UNAVAILABLE", /No host answers/] },
  {
    what: "nobody for a template that is nowhere",
    hosts: { a: {} },
    ask: { template: "other" },
    expected: ["TEMPLATE_NOT_FOUND", /no template other/],
  },
  {
    what: "nobody while all are drained",
    hosts: { a: {} },
    change: "update hosts set draining = true",
    expected: ["NO_CAPACITY", /being drained/],
  },
  {
    what: "nobody while the snapshot's host is away",
    hosts: { a: {} },
    ask: { hostIds: ["gone"] },
    expected: ["HOST_UNAVAILABLE", /^The host that has it does not answer\.$/],
  },
  {
    what: "nobody where all are full, and says what is missing but not where",
    hosts: { a: full, b: full, c: full, d: full },
    expected: ["NO_CAPACITY", /^No host has room for 512 MiB of memory\.$/],
  },
];

test.each(cases)("picks $what", async ({ hosts, ask, change, expected }) => {
  await using database = await testDatabase();
  for (const [id, offer] of Object.entries(hosts)) await insertHost(database.db, id, offer);
  if (change) await sql.raw(change).execute(database.db);
  const picked = await inTransaction(database.db, { ...request, ...ask }).catch(problemOf);
  if (typeof expected === "string") expect(picked).toMatchObject({ hostId: expected });
  else expect(picked).toMatchObject({ reason: expected[0], message: expect.stringMatching(expected[1]) });
});

test("a size that an empty host would have is to be asked for again, one that none has is not", async () => {
  await using database = await testDatabase();
  await insertHost(database.db, "a", { memoryMib: 1_000, vmOverheadMib: 0 });
  await sql`update host_loads set memory_mib = 600, vms = 1`.execute(database.db);
  const [busy, never] = await Promise.all(
    [512, 1_001].map((memoryMib) => inTransaction(database.db, { ...request, memoryMib }).catch(problemOf)),
  );
  expect(busy).toMatchObject({ reason: "NO_CAPACITY", options: { retryDelayMs: 5_000 } });
  expect(never).toMatchObject({ options: { nextStep: "Ask for a smaller sandbox: no host is this large." } });
});

test("placements at once never give more room away than there is", async () => {
  await using database = await testDatabase();
  for (const id of ["a", "b", "c"]) await insertHost(database.db, id, { memoryMib: 5_120, vmOverheadMib: 0 });
  const orgId = await organization(database.db);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 40 }, (_, index) => create(database.db, orgId, `s${index}`)),
  );
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(30);
  const { rows } = await database.pool.query("select vms, memory_mib from host_loads order by host_id");
  expect(rows).toEqual(Array.from({ length: 3 }, () => ({ vms: 10, memory_mib: "5120" })));
});

test("what is spoken for is what the rows of sandboxes say, whatever moves they make", async () => {
  await using database = await testDatabase();
  const { db, pool } = database;
  await insertHost(db, "a");
  await insertHost(db, "b");
  const row = await create(db, await organization(db), "s1");
  const load = async () =>
    (await pool.query("select host_id, sandboxes, vms, vcpus, memory_mib, disk_mib from host_loads order by host_id"))
      .rows;
  const none = { sandboxes: 0, vms: 0, vcpus: 0, memory_mib: "0", disk_mib: "0" };
  const one = { sandboxes: 1, vms: 1, vcpus: 1, memory_mib: "512", disk_mib: "0" };
  expect(await load()).toEqual([
    { host_id: "a", ...one, disk_mib: "2048" },
    { host_id: "b", ...none },
  ]);
  await moveSandbox(db, { id: "s1", epoch: row.epoch, to: "running" });
  expect(await load()).toMatchObject([one, none]);
  await pool.query("update sandboxes set host_id = 'b'");
  expect(await load()).toMatchObject([none, one]);
  await moveSandbox(db, { id: "s1", epoch: row.epoch, to: "deleting" });
  expect(await load()).toMatchObject([none, one]);
  await moveSandbox(db, { id: "s1", epoch: row.epoch, to: "deleted" });
  expect(await load()).toMatchObject([none, none]);
});

test("the database and the table of states agree on what holds room", async () => {
  await using database = await testDatabase();
  const { rows } = await database.pool.query<{ state: SandboxState }>(
    "select state from unnest($1::text[]) state where holds_room(state)",
    [sandboxStates],
  );
  expect(rows.map(({ state }) => state)).toEqual(
    sandboxStates.filter((state) => (statesHoldingRoom as readonly SandboxState[]).includes(state)),
  );
});

async function inTransaction(db: Db, asked: PlacementRequest) {
  return db.transaction().execute((tx) => place(tx, asked));
}

async function organization(db: Db): Promise<string> {
  await insertOrganization(db, "org_test", "test");
  return "org_test";
}

async function create(db: Db, orgId: string, id: string): Promise<SandboxRow> {
  return db.transaction().execute(async (tx) => {
    const { size, ...host } = await place(tx, request);
    const rest = { id, orgId, template: "base", metadata: {}, env: {}, keyed: false, lifecycle: endless };
    return insertSandbox(tx, { ...rest, ...size, ...host });
  });
}
