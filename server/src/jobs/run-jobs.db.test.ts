import { silentLogger } from "@daytonah/lib/log.ts";
import { PgBoss } from "pg-boss";
import { expect, test } from "vitest";
import { systemClock } from "../system-clock.ts";
import { type TestDatabase, testDatabase } from "../testing/test-database.ts";
import { until } from "../testing/test-server.ts";
import { createForgetOld } from "./forget-old.ts";
import type { Job } from "./job.ts";
import { createRunJobs } from "./run-jobs.ts";

/** A server's jobs; disposal stops them as the server's end does. */
function startJobs({ pool }: TestDatabase, ...jobs: Job[]): AsyncDisposable {
  const abort = new AbortController();
  const running = createRunJobs({ pool, jobs, clock: systemClock, log: silentLogger }).run(abort);
  return {
    async [Symbol.asyncDispose]() {
      abort.abort();
      await running;
    },
  };
}

function jobOf(run: Job["run"]): Job {
  return { name: "test", schedule: "0 0 1 1 *", longestSeconds: 60, run };
}

/** Whoever asks for jobs, in a process of its own. */
async function bossOf({ pool }: TestDatabase): Promise<PgBoss & AsyncDisposable> {
  const boss = new PgBoss({
    db: { executeSql: (text, values) => pool.query(text, values) },
    supervise: false,
    schedule: false,
  });
  boss.on("error", () => undefined);
  await boss.start();
  return Object.assign(boss, { [Symbol.asyncDispose]: () => boss.stop({ graceful: false }) });
}

async function stateCounts({ pool }: TestDatabase): Promise<Partial<Record<string, number>>> {
  const { rows } = await pool.query("select state, count(*)::int from pgboss.job where name = 'test' group by state");
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
}

async function isThere(boss: PgBoss): Promise<boolean> {
  return (await boss.getQueue("test")) !== null;
}

test("two servers share the work, and each job is done once", async () => {
  await using database = await testDatabase();
  const done = { a: 0, b: 0 };
  const jobFor = (server: "a" | "b") =>
    jobOf(async () => {
      done[server] += 1;
    });
  await using _ = startJobs(database, jobFor("a"));
  await using __ = startJobs(database, jobFor("b"));
  await using boss = await bossOf(database);
  await until(() => isThere(boss));
  await boss.insert(
    "test",
    Array.from({ length: 12 }, () => ({})),
  );
  await until(async () => (await stateCounts(database)).completed === 12);
  expect(done.a + done.b).toBe(12);
  expect(Math.min(done.a, done.b)).toBeGreaterThan(0);
});

test("a job that fails is tried again; one whose server died goes to another", async () => {
  await using database = await testDatabase();
  let runs = 0;
  const failsFirst = jobOf(async () => {
    runs += 1;
    if (runs === 1) throw new Error("the first time, and a NUL: \0");
  });
  await using _ = startJobs(database, failsFirst);
  await using boss = await bossOf(database);
  await until(() => isThere(boss));
  await boss.send("test");
  await until(async () => (await stateCounts(database)).completed === 1);
  expect(runs).toBe(2);

  // Taken by who is never heard of again: as after kill -9, only that its last beat was long ago.
  await boss.offWork("test");
  const { rows } = await database.pool.query(
    `insert into pgboss.job (name, state, started_on, heartbeat_on, heartbeat_seconds, retry_limit)
     values ('test', 'active', now() - interval '1 minute', now() - interval '1 minute', 10, 10) returning id`,
  );
  expect(rows).toHaveLength(1);
  await until(async () => (await stateCounts(database)).completed === 2, 30_000);
  expect(runs).toBe(3);
});

test("a server that stops tells the job that runs, and another does it from the start, soon", async () => {
  await using database = await testDatabase();
  const begun = Promise.withResolvers<void>();
  const waits = jobOf(({ signal }) => {
    begun.resolve();
    return systemClock.sleep(60_000, { signal });
  });
  let isDone = false;
  await using boss = await bossOf(database);
  {
    await using __ = startJobs(database, waits);
    await until(() => isThere(boss));
    await boss.send("test");
    await begun.promise;
  }
  await using _ = startJobs(
    database,
    jobOf(async () => {
      isDone = true;
    }),
  );
  await until(() => isDone, 8_000); // less than it takes to find out that a server is dead
});

test("old keys are dropped by a job that all servers have scheduled together", async () => {
  await using database = await testDatabase();
  const { db, pool } = database;
  const insertKey = "insert into idempotency values ('o', 'r', $1, '', 'x', clock_timestamp() - $2::interval)";
  await pool.query("insert into organizations values ('o', 'o')");
  await pool.query(insertKey, ["old", "25 hours"]);
  await pool.query(insertKey, ["new", "23 hours"]);
  const forget = createForgetOld(db);
  await using _ = startJobs(database, forget);
  await using __ = startJobs(database, forget);
  await using boss = await bossOf(database);
  await until(async () => (await boss.getSchedules()).length > 0);
  expect(await boss.getSchedules()).toMatchObject([{ name: "forget-old", cron: "*/10 * * * *" }]);
  await boss.send("forget-old");
  await until(async () => (await pool.query("select key from idempotency")).rows.length === 1);
  expect((await pool.query("select key from idempotency")).rows).toEqual([{ key: "new" }]);
});
