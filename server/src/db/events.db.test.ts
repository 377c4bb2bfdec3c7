import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { expect, test } from "vitest";
import { testDatabase } from "../testing/test-database.ts";
import { type EventRow, eventLogHead, forgetEvents, organizationsInLog, placeEvents, readEvents } from "./events.ts";
import type { Db } from "./schema.ts";

const insert = "insert into events (org_id, sandbox_id, kind, epoch, data) values ($1, $2, $3, 1, '{}') returning id";

/** A transaction that has drawn its event's id and is not committed. */
async function begin(pool: pg.Pool, kind: string) {
  const client = await pool.connect();
  await client.query("begin");
  const { rows } = await client.query(insert, ["org_a", "s1", kind]);
  const end = async (how: "commit" | "rollback") => {
    await client.query(how);
    client.release();
  };
  return { id: Number(rows[0].id), end };
}

async function readAll(db: Db, after: bigint): Promise<readonly EventRow[]> {
  const { lastPosition } = await eventLogHead(db);
  return readEvents(db, { orgId: "org_a", sandboxId: "", after, upTo: lastPosition, limit: 1_000 });
}

test("an event that commits after a later id is told after it, and not left out", async () => {
  await using database = await testDatabase();
  const { db, pool } = database;
  const early = await begin(pool, "early");
  const broken = await begin(pool, "broken");
  const late = await begin(pool, "late");
  expect([early.id < broken.id, broken.id < late.id]).toEqual([true, true]);
  await late.end("commit");
  await placeEvents(db);
  const first = await readAll(db, 0n);
  expect(first.map(({ kind }) => kind)).toEqual(["late"]);

  await broken.end("rollback");
  await early.end("commit");
  // Who goes by ids never sees it.
  const { rows } = await pool.query("select kind from events where id > $1", [first[0]?.id]);
  expect(rows).toEqual([]);
  await placeEvents(db);
  const next = await readAll(db, BigInt(first[0]?.position ?? 0));
  expect(next.map(({ kind }) => kind)).toEqual(["early"]);
  expect(await eventLogHead(db)).toMatchObject({ lastPosition: 2n, hasUnplaced: false });
});

test("many transactions of any length, several servers that place: each reader gets each event once, those of a sandbox in order", async () => {
  await using database = await testDatabase();
  const { db, pool } = database;
  const written: string[] = [];
  let isWriting = true;
  let outOfOrder = 0;

  async function write(writer: number): Promise<void> {
    for (let n = 0; n < 40; n++) {
      const client = await pool.connect();
      await client.query("begin");
      const names = Array.from({ length: 1 + (n % 3) }, (_, i) => `${n}.${i}`);
      for (const name of names) await client.query(insert, ["org_a", `s${writer}`, name]);
      await sleep(Math.random() * 8);
      const isKept = Math.random() > 0.1;
      await client.query(isKept ? "commit" : "rollback");
      client.release();
      if (isKept) written.push(...names.map((name) => `s${writer} ${name}`));
    }
  }
  async function place(): Promise<void> {
    while (isWriting || (await eventLogHead(db)).hasUnplaced) await placeEvents(db);
  }
  async function follow(placing: Promise<unknown>): Promise<readonly EventRow[]> {
    const got: EventRow[] = [];
    let isPlaced = false;
    void placing.then(() => {
      isPlaced = true;
    });
    for (let isLast = false; !isLast; ) {
      isLast = isPlaced;
      const rows = await readAll(db, BigInt(got.at(-1)?.position ?? 0));
      const before = got.at(-1);
      if (before && rows.some(({ id }) => BigInt(id) < BigInt(before.id))) outOfOrder += 1;
      got.push(...rows);
      await sleep(2);
    }
    return got;
  }

  const placing = Promise.all([place(), place()]);
  const readers = [follow(placing), follow(placing)];
  await Promise.all([1, 2, 3, 4, 5].map(write));
  isWriting = false;
  for (const got of await Promise.all(readers)) {
    const names = got.map(({ sandbox_id, kind }) => `${sandbox_id} ${kind}`);
    expect(names.toSorted()).toEqual(written.toSorted());
    const ofFirst = (list: readonly string[]) => list.filter((name) => name.startsWith("s1 "));
    expect(ofFirst(names)).toEqual(ofFirst(written));
    expect(got.map(({ position }) => Number(position))).toEqual(got.map((_, index) => index + 1));
  }
  expect(outOfOrder).toBeGreaterThan(0); // else the writers did not interleave, and nothing was shown
});

test("what is forgotten is noted; what has no place yet stays", async () => {
  await using database = await testDatabase();
  const { db, pool } = database;
  for (const kind of ["a", "b", "c"]) await pool.query(insert, ["org_a", "s1", kind]);
  await placeEvents(db);
  await pool.query(insert, ["org_b", "s2", "unplaced"]);
  await pool.query("update events set time = time - interval '8 days' where kind <> 'c'");
  expect(await forgetEvents(db, 7, 1)).toBe(1);
  expect(await forgetEvents(db, 7, 100)).toBe(1);
  expect(await forgetEvents(db, 7, 100)).toBe(0);
  expect(await eventLogHead(db)).toEqual({ lastPosition: 3n, forgottenPosition: 2n, hasUnplaced: true });
  await placeEvents(db);
  expect(await organizationsInLog(db, 2n, 4n)).toEqual(expect.arrayContaining(["org_a", "org_b"]));
  expect(await organizationsInLog(db, 3n, 4n)).toEqual(["org_b"]);
});
