import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { silentLogger } from "@daytonah/lib/log.ts";
import { expect, test } from "vitest";
import type { Config } from "./config.ts";
import { migrate } from "./db/migrate.ts";
import { openDatabase } from "./db/open-database.ts";
import { createFakeHost, type FakeHost } from "./hosts/fake-host.ts";
import { startPrivatePostgres } from "./private-postgres/private-postgres.ts";
import { startServer } from "./start-server.ts";
import { systemClock } from "./system-clock.ts";
import { failureOf } from "./testing/failure-of.ts";
import type { HostDaemon } from "./testing/host-daemon.ts";
import { openTestPki, startJoinedHostDaemon } from "./testing/joined-host-daemon.ts";
import { testAccount } from "./testing/postgres-setup.ts";
import { tempDir } from "./testing/temp-dir.ts";
import { connectTransport, testServer, until } from "./testing/test-server.ts";

const startPostgres = (dataDir: string) => startPrivatePostgres({ dataDir, user: testAccount(), durable: false });

test("PostgreSQL down at start and killed in mid-run: clear errors, recovery by itself, nothing half done", async () => {
  using dir = tempDir();
  chmodSync(dir.path, 0o711);
  const postgresDir = join(dir.path, "pg");
  const first = await startPostgres(postgresDir);
  const host = createFakeHost("h1");
  const secretFile = join(dir.path, "secret");
  await using _daemon = await joinDaemon(first.url, secretFile, host);
  await first.stop();
  const config: Config = {
    listen: { host: "127.0.0.1", port: 0 },
    databaseUrl: first.url,
    secretFile,
    logLevel: "silent",
    bootstrapKeyFile: join(dir.path, "admin.key"),
    publicUrl: undefined,
    domain: "localhost",
    publicMetrics: false,
    tombstoneMs: 0,
    maxCallsPerOrg: 500,
    maxStreamsPerOrg: 5_000,
  };
  await using server = await startServer({ config, clock: systemClock, log: silentLogger, graceMs: 500 });
  const readyz = async () => (await fetch(`${server.url}/readyz`)).status;
  const down = { code: "Unavailable", reason: "DATABASE_UNAVAILABLE", retries: true };
  const stranger = createClient(SandboxService, connectTransport(server.url, {}));
  expect(await readyz()).toBe(503);
  expect(await failureOf(stranger.listSandboxes({}))).toMatchObject(down);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);

  const second = await startPostgres(postgresDir);
  await server.prepared;
  await until(async () => (await readyz()) === 200);
  const key = readFileSync(join(dir.path, "admin.key"), "utf8").trim();
  const sandboxes = createClient(SandboxService, connectTransport(server.url, { authorization: `Bearer ${key}` }));
  const { sandbox } = await sandboxes.createSandbox({});

  // Killed while a create waits for its host.
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  host.onStart = () => {
    begun.resolve();
    return gate.promise;
  };
  const cut = failureOf(sandboxes.createSandbox({ idempotencyKey: "k" }));
  await begun.promise;
  const backends = await backendsOf(second.url);
  process.kill(second.pid, "SIGKILL");
  await second.ended;
  await until(() => !backends.some(isAlive)); // each ends by itself, after what it is at
  gate.resolve();
  expect(await cut).toMatchObject(down);
  expect(await failureOf(sandboxes.getSandbox({ sandboxId: sandbox?.id ?? "" }))).toMatchObject(down);
  expect(await readyz()).toBe(503);

  await using _third = await startPostgres(postgresDir);
  await until(async () => (await readyz()) === 200);
  const found = await sandboxes.getSandbox({ sandboxId: sandbox?.id ?? "" });
  expect(found.sandbox?.state).toBe(SandboxState.RUNNING);
  await sandboxes.createSandbox({ idempotencyKey: "k" });
  // What the crash took or left: one VM for each sandbox that there is.
  await until(async () => {
    const ids = (await sandboxes.listSandboxes({})).sandboxes.map(({ id }) => id);
    return ids.length === 2 && host.vms.size === 2 && ids.every((id) => host.vms.has(id));
  });
});

async function backendsOf(url: string): Promise<readonly number[]> {
  await using database = openDatabase({ url, maxConnections: 1, onIdleError: () => undefined });
  const { rows } = await database.pool.query("select pid from pg_stat_activity where backend_type = 'client backend'");
  return rows.map(({ pid }) => pid);
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

async function joinDaemon(url: string, secretFile: string, host: FakeHost): Promise<HostDaemon> {
  await using database = openDatabase({ url, maxConnections: 1, onIdleError: () => undefined });
  await migrate(database.db);
  return await startJoinedHostDaemon({ db: database.db, pki: await openTestPki(database.db, secretFile), host });
}

test("the first start makes one admin key, kept in a file that only its owner reads", async () => {
  await using server = await testServer();
  const file = server.config.bootstrapKeyFile ?? "";
  expect(server.adminKey).toMatch(/^dnah_[0-9a-f]{40}$/);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  rmSync(file);
  await using _another = await server.another().catch(() => undefined as never);
  expect(existsSync(file)).toBe(false);
  const { rows } = await server.database.pool.query("select count(*)::int as keys from api_keys");
  expect(rows).toEqual([{ keys: 1 }]);
});

test("a start that died after writing the file is finished with the key in it", async () => {
  using dir = tempDir();
  const file = join(dir.path, "admin.key");
  const secret = `dnah_${"a".repeat(40)}`;
  writeFileSync(file, `${secret}\n`, { mode: 0o600 });
  await using server = await testServer({ config: { bootstrapKeyFile: file } });
  expect(server.adminKey).toBe(secret);
  expect((await server.client(SandboxService).listSandboxes({})).sandboxes).toEqual([]);
});
