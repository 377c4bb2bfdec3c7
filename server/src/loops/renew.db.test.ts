import { X509Certificate } from "node:crypto";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { GetHostResponse } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { OrganizationService } from "@daytonah/gen/daytonah/v1/organization_pb.ts";
import { SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import type pg from "pg";
import { expect, test } from "vitest";
import { createFakeHost } from "../hosts/fake-host.ts";
import { leafLifeMs } from "../pki/certificates.ts";
import { systemClock } from "../system-clock.ts";

import { failureOf } from "../testing/failure-of.ts";
import { makeRequest } from "../testing/make-request.ts";
import { metric } from "../testing/metric.ts";
import { type TestServer, testServer, until } from "../testing/test-server.ts";

/** Of a server to its database, for callers. */
const connections = 40;

test("a host whose certificate is near its end gets a new one, once of all servers, and calls go on", async () => {
  const offer: { certificateExpireTime?: GetHostResponse["certificateExpireTime"] } = {
    certificateExpireTime: timestampFromMs(Date.now() + leafLifeMs / 4),
  };
  const host = createFakeHost("h1", offer);
  const { request, key } = await makeRequest();
  const installed: string[] = [];
  let requests = 0;
  host.certificates = {
    requestCertificate: async () => {
      requests += 1;
      return request;
    },
    installCertificate: async (certificate) => {
      server.daemon.show({ certificate, key });
      installed.push(certificate);
    },
  };
  await using server = await testServer({ host });
  await using _another = await server.another();
  await until(() => installed.length > 0);
  const certificate = new X509Certificate(installed[0] ?? "");
  expect(certificate.verify(new X509Certificate(server.pki.certificate).publicKey)).toBe(true);
  expect(certificate).toMatchObject({ subjectAltName: "DNS:h1", ca: false });
  expect(certificate.validToDate.getTime()).toBeGreaterThan(Date.now() + leafLifeMs * 0.9);
  expect(requests).toBe(1);

  const sandboxes = server.client(SandboxService);
  await sandboxes.createSandbox({});
  server.daemon.cutConnections(); // the next one is shown the new certificate
  await until(() => sandboxes.createSandbox({}).then(Boolean, () => false));
});

test("a host that is back has a lease before it is given a VM; one that does not answer gets none", async () => {
  await using server = await testServer();
  const { host, database } = server;
  const begun = await stateAndLease(database.pool);
  host.reachable = false;
  await until(async () => (await stateAndLease(database.pool)).state === "unreachable");
  expect((await stateAndLease(database.pool)).until).toBeLessThanOrEqual(begun.until + 15_000);
  const { length } = host.leases;
  const given = Promise.withResolvers<void>();
  host.onLease = () => given.promise;
  host.reachable = true;
  await until(() => host.leases.length > length);
  expect(await failureOf(server.client(SandboxService).createSandbox({}))).toMatchObject({
    reason: "HOST_UNAVAILABLE",
  });
  given.resolve();
  await until(() =>
    server
      .client(SandboxService)
      .createSandbox({})
      .then(Boolean, () => false),
  );
});

async function stateAndLease(pool: pg.Pool): Promise<{ readonly state: string; readonly until: number }> {
  const { rows } = await pool.query("select state, lease_until from hosts");
  return { state: rows[0].state, until: rows[0].lease_until?.getTime() ?? 0 };
}

test("a host's lease is renewed by one server at a time, and in time", async () => {
  await using server = await testServer();
  await using _another = await server.another();
  await until(() => server.host.leases.length >= 2);
  expect(new Set(server.host.leases)).toEqual(new Set([15_000]));
  const { rows } = await server.database.pool.query<{ left: number }>(
    "select extract(epoch from lease_until - clock_timestamp())::float8 as left from hosts",
  );
  expect(rows[0]?.left).toBeGreaterThan(11);
  expect(rows[0]?.left).toBeLessThanOrEqual(15);
});

test("hosts' leases are renewed while callers hold all the connections that they have", async () => {
  await using server = await testServer();
  const crowds = await Promise.all(["one", "two"].map((name) => sandboxOfOwn(server, name)));
  await using _lock = await lockRows(
    server.database.pool,
    crowds.map(({ sandboxId }) => sandboxId),
  );
  // Of one organization they would have no more than half.
  for (const { sandboxes, sandboxId } of crowds) {
    for (let call = 0; call < connections; call++) {
      void sandboxes.updateSandbox({ sandboxId, removeMetadata: ["a"] }).catch(() => undefined);
    }
  }
  await until(async () => (await metric(server, 'dnah_database_connections{use="busy"}')) === connections);
  const { length } = server.host.leases;
  await until(() => server.host.leases.length > length, 8_000); // before those that wait give up
});

/** In an organization of its own. */
async function sandboxOfOwn(server: TestServer, name: string) {
  const { apiKey } = await server.client(OrganizationService).createOrganization({ name });
  const sandboxes = server.client(SandboxService, { authorization: `Bearer ${apiKey}` });
  return { sandboxes, sandboxId: (await sandboxes.createSandbox({})).sandbox?.id as string };
}

async function lockRows(pool: pg.Pool, sandboxIds: readonly string[]): Promise<AsyncDisposable> {
  const client = await pool.connect();
  await client.query("begin");
  await client.query("select from sandboxes where id = any($1) for update", [sandboxIds]);
  return {
    async [Symbol.asyncDispose]() {
      await client.query("rollback");
      client.release();
    },
  };
}

test("no sandbox is lost while its host's lease may hold", async () => {
  let skippedMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + skippedMs };
  await using server = await testServer({ clock });
  const sandboxes = server.client(SandboxService);
  const { sandbox } = await sandboxes.createSandbox({});
  const state = async () => (await sandboxes.getSandbox({ sandboxId: sandbox?.id ?? "" })).sandbox?.state;
  server.host.reachable = false;
  skippedMs += 60_000;
  const { pool } = server.database;
  await pool.query(
    "update hosts set seen_time = now() - interval '1 minute', lease_until = now() - interval '1 second'",
  );
  await until(async () => (await pool.query("select state from hosts")).rows[0].state === "unreachable");
  await systemClock.sleep(2_000, {}); // two turns of the loop: what must not happen can't be waited for
  expect(await state()).toBe(SandboxState.RUNNING);
  await pool.query("update hosts set lease_until = now() - interval '6 seconds'");
  await until(async () => (await state()) === SandboxState.LOST);
});
