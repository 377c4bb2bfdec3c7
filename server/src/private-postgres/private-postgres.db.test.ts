import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { expect, test } from "vitest";
import { testAccount } from "../testing/postgres-setup.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { until } from "../testing/test-server.ts";

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
  readonly ended: Promise<number | null>;
}

async function start(dataDir: string): Promise<Started> {
  const script = fileURLToPath(new URL("main.ts", import.meta.url));
  const child = spawn(process.execPath, [script, "--data-dir", dataDir, "--user", testAccount()], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith("ready ")) return { child, url: line.slice("ready ".length), ended };
  }
  throw new Error("it ended before it was ready");
}

async function query(url: string, text: string): Promise<pg.QueryResult> {
  const client = new pg.Client(url);
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

const postmasterOf = (dataDir: string) =>
  Number.parseInt(readFileSync(join(dataDir, "data/postmaster.pid"), "utf8"), 10);

test("data outlives a stop, a killed supervisor and a killed postgres", async () => {
  using dir = tempDir();
  chmodSync(dir.path, 0o711);
  const dataDir = join(dir.path, "pg");

  const first = await start(dataDir);
  await query(first.url, "create table kept (n int)");
  await query(first.url, "insert into kept values (1)");
  first.child.kill("SIGTERM");
  expect(await first.ended).toBe(0);

  const second = await start(dataDir);
  const orphan = postmasterOf(dataDir);
  second.child.kill("SIGKILL");
  await second.ended;
  const third = await start(dataDir); // while the orphan still runs
  expect(postmasterOf(dataDir)).not.toBe(orphan);
  await until(() => !isAlive(orphan));
  await query(third.url, "insert into kept values (2)");

  process.kill(postmasterOf(dataDir), "SIGKILL");
  expect(await third.ended).toBe(1);
  const fourth = await start(dataDir);
  expect((await query(fourth.url, "select n from kept order by n")).rows).toEqual([{ n: 1 }, { n: 2 }]);
  fourth.child.kill("SIGTERM");
  expect(await fourth.ended).toBe(0);
});

function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}
