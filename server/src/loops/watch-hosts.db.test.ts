import { SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { silentLogger } from "@daytonah/lib/log.ts";
import { expect, test } from "vitest";
import { openDatabase } from "../db/open-database.ts";
import { vmAccessOf } from "../domain/vm-access.ts";
import { createFakeHost } from "../hosts/fake-host.ts";
import { createBackground } from "../services/background.ts";
import { createEventFeed } from "../services/event-feed.ts";
import { createHeldClaims } from "../services/held-claims.ts";
import { systemClock } from "../system-clock.ts";
import { type TestServer, testServer, until } from "../testing/test-server.ts";
import { newHostStatus } from "./host-statuses.ts";
import { createWatchHost } from "./watch-hosts.ts";

async function newSandbox(server: TestServer): Promise<string> {
  const { sandbox } = await server.client(SandboxService).createSandbox({});
  return sandbox?.id ?? "";
}

function stateIs(server: TestServer, sandboxId: string, state: SandboxState) {
  return async () => (await server.client(SandboxService).getSandbox({ sandboxId })).sandbox?.state === state;
}

test("a VM that is killed fails its sandbox within moments, with the host's reason", async () => {
  await using server = await testServer();
  const sandboxId = await newSandbox(server);
  const killedAt = performance.now();
  server.host.kill(sandboxId);
  await until(stateIs(server, sandboxId, SandboxState.FAILED));
  expect(performance.now() - killedAt).toBeLessThan(1_000);
  const { sandbox } = await server.client(SandboxService).getSandbox({ sandboxId });
  expect(sandbox).toMatchObject({ failure: { reason: "VM_DIED" }, hostId: "h1" });
  await server.client(SandboxService).deleteSandbox({ sandboxId });
  expect(server.host.vms.size).toBe(0);
});

test("what changed while nobody watched is found when the host is back", async () => {
  await using server = await testServer();
  const [died, vanished, lives] = [await newSandbox(server), await newSandbox(server), await newSandbox(server)];
  server.host.reachable = false;
  server.host.kill(died);
  server.host.forget(vanished);
  server.host.reachable = true;
  await until(stateIs(server, died, SandboxState.FAILED));
  await until(stateIs(server, vanished, SandboxState.FAILED));
  await until(() => server.server.statuses.get("h1")?.connected === true);
  expect(await stateIs(server, lives, SandboxState.RUNNING)()).toBe(true);
  const { sandbox } = await server.client(SandboxService).getSandbox({ sandboxId: vanished });
  expect(sandbox?.failure).toMatchObject({ reason: "VM_DIED", message: "The host came back without its VM." });
});

test("VMs of deleted sandboxes are deleted; one without a row is left alone", async () => {
  const host = createFakeHost("h1");
  const spec = { epoch: 1n, template: "base", vcpus: 1, memoryMib: 128, diskMib: 0, env: {} };
  const row = { id: "unknown", token_generation: 1, access_version: 1, public_ports: [] };
  const access = vmAccessOf("k", row);
  const lifecycle = { version: 1n, deleteAtEnd: false, autoResume: false };
  await host.startVm({ ...spec, access, lifecycle, snapshotId: "", sandboxId: "unknown" }, {});
  await using server = await testServer({ host });
  const sandboxId = await newSandbox(server);
  await server.database.pool.query("update sandboxes set state = 'deleted', host_id = null where id = $1", [sandboxId]);
  host.cutWatchers();
  await until(() => host.vms.size === 1);
  expect([...host.vms.keys()]).toEqual(["unknown"]);
});

test("a silent host's sandboxes are lost, and running again when it is back", async () => {
  let skippedMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + skippedMs };
  await using server = await testServer({ clock });
  const sandboxId = await newSandbox(server);
  server.host.reachable = false;
  // The margin passes, for this server's clock and for what all servers wrote.
  skippedMs += 60_000;
  const isLost = stateIs(server, sandboxId, SandboxState.LOST);
  await until(async () => {
    // Again and again: a renewal may have been under way.
    await server.database.pool.query("update hosts set seen_time = now() - interval '1 minute', lease_until = null");
    return isLost();
  });
  const { rows } = await server.database.pool.query("select state from hosts");
  expect(rows).toEqual([{ state: "unreachable" }]);

  server.host.reachable = true;
  await until(stateIs(server, sandboxId, SandboxState.RUNNING));
});

test("a host that another server still hears is not lost", async () => {
  let skippedMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + skippedMs };
  await using server = await testServer({ clock });
  const sandboxId = await newSandbox(server);
  server.host.reachable = false;
  skippedMs += 60_000; // this server hears nothing, but seen_time is fresh
  await systemClock.sleep(2_500, {}); // two turns of the loop: what must not happen can't be waited for
  expect(await stateIs(server, sandboxId, SandboxState.RUNNING)()).toBe(true);
});

test("a database that does not answer makes no host a silent one", async () => {
  await using database = openDatabase({
    url: "postgres://nobody@127.0.0.1:1/none",
    maxConnections: 1,
    onIdleError: () => undefined,
  });
  const host = createFakeHost("h1");
  const deps = {
    db: database.db,
    hosts: new Map([["h1", host]]),
    clock: systemClock,
    claims: createHeldClaims(),
    background: createBackground(),
    events: createEventFeed(systemClock),
    log: silentLogger,
    onMoved: () => undefined,
    tokenKey: "k",
    tombstoneMs: 0,
    edgeUrlOf: () => "",
  };
  const status = newHostStatus("h1", 0);
  const abort = new AbortController();
  const running = createWatchHost(deps, host, status).run(abort);
  await until(() => Date.now() - status.heardAt < 5_000);
  abort.abort();
  await running;
});
