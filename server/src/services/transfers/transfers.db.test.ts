import { type Host, HostService } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { SnapshotService } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import { describe, expect, test } from "vitest";
import { createFakeHost, type FakeHost } from "../../hosts/fake-host.ts";
import type { FakeHooks } from "../../hosts/fake-life.ts";
import { createFakeWitness, type FakeWitness } from "../../hosts/fake-witness.ts";
import { failureOf } from "../../testing/failure-of.ts";
import { hold } from "../../testing/hold.ts";
import { type TestServer, type TestServerOptions, testServer, until } from "../../testing/test-server.ts";

interface TwoHosts extends AsyncDisposable {
  readonly server: TestServer;
  readonly witness: FakeWitness;
  readonly a: FakeHost;
  readonly b: FakeHost;
}

/** Hosts a and b under one server; in the end no sandbox may ever have been free to run on both. */
async function twoHosts(offer: Parameters<typeof createFakeHost>[1] = {}, options: TestServerOptions = {}) {
  const witness = createFakeWitness();
  const [a, b] = [createFakeHost("a", offer, witness), createFakeHost("b", offer, witness)];
  const server = await testServer({ host: a, otherHosts: [b], ...options });
  const all: TwoHosts = {
    ...{ server, witness, a, b },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      expect(witness.faults).toEqual([]);
    },
  };
  return all;
}

/** On host a: the other one is drained meanwhile. */
async function sandboxOnA({ server }: TwoHosts): Promise<string> {
  const hosts = server.client(HostService);
  await hosts.drainHost({ hostId: "b" });
  const { sandbox } = await server.client(SandboxService).createSandbox({});
  await hosts.undrainHost({ hostId: "b" });
  expect(sandbox?.hostId).toBe("a");
  return sandbox?.id ?? "";
}

async function sandboxOf({ server }: TwoHosts, sandboxId: string) {
  return (await server.client(SandboxService).getSandbox({ sandboxId })).sandbox;
}

const drainA = ({ server }: TwoHosts) => server.client(HostService).drainHost({ hostId: "a" });

async function hostA({ server }: TwoHosts): Promise<Host> {
  return (await server.client(HostService).listHosts({})).hosts[0] as Host;
}

async function rowOf({ server }: TwoHosts, id: string) {
  const { rows } = await server.database.pool.query(
    "select state, epoch, host_id, transfer, transfer_resume from sandboxes where id = $1",
    [id],
  );
  return rows[0];
}

const onB = (state: string, epoch: string) => ({
  ...{ state, epoch, host_id: "b", transfer: null, transfer_resume: false },
});

/** Also what it leaves behind. */
async function untilOnB(all: TwoHosts, id: string, epoch = "3"): Promise<void> {
  await until(async () => (await rowOf(all, id)).transfer === null && (await rowOf(all, id)).state === "running");
  expect(await rowOf(all, id)).toEqual(onB("running", epoch));
  await until(() => !all.a.vms.has(id));
  expect(all.b.vms.get(id)).toMatchObject({ epoch: BigInt(epoch), sealed: false });
}

test("a drain empties a host: what ran runs on elsewhere, paused and failed ones and snapshots follow", async () => {
  await using all = await twoHosts();
  const [sandboxes, snapshots] = [all.server.client(SandboxService), all.server.client(SnapshotService)];
  const [running, paused, failed] = [await sandboxOnA(all), await sandboxOnA(all), await sandboxOnA(all)];
  const { snapshot } = await snapshots.createSnapshot({ sandboxId: paused });
  await sandboxes.pauseSandbox({ sandboxId: paused });
  all.a.kill(failed);
  await until(async () => (await rowOf(all, failed)).state === "failed");

  expect((await drainA(all)).host).toMatchObject({ draining: true, sandboxes: 3, snapshots: 1 });
  await until(async () => (await hostA(all)).sandboxes + (await hostA(all)).snapshots === 0);
  await untilOnB(all, running);
  expect(await rowOf(all, paused)).toEqual(onB("paused", "2"));
  expect(await rowOf(all, failed)).toEqual(onB("paused", "2"));
  expect(await sandboxOf(all, paused)).toMatchObject({ memoryKept: true });
  expect(await sandboxOf(all, failed)).toMatchObject({ memoryKept: false });
  await until(() => all.a.vms.size + all.a.snapshots.size === 0);
  expect([...all.b.snapshots.keys()]).toEqual([snapshot?.id]);

  const { sandbox } = await sandboxes.rollBackSandbox({ sandboxId: paused, snapshotId: snapshot?.id ?? "" });
  expect(sandbox).toMatchObject({ hostId: "b", state: SandboxState.RUNNING });
  expect(await failureOf(sandboxes.createSandbox({ resources: { vcpus: 64 } }))).toMatchObject({
    reason: "NO_CAPACITY",
  });
  await all.server.client(HostService).removeHost({ hostId: "a" });
  const { rows } = await all.server.database.pool.query("select data from events where kind = 'sandbox.moved'");
  expect(rows).toEqual(Array.from({ length: 3 }, () => ({ data: { from: "a", to: "b" } })));
});

describe("a server that dies is followed by one that finishes its move, whatever it was at", () => {
  const points: readonly [hook: keyof FakeHooks, host: "a" | "b"][] = [
    ["onPause", "a"],
    ["onSeal", "a"],
    ["onRead", "a"],
    ["onWrite", "b"],
    ["onUnseal", "b"],
    ["onDelete", "a"],
    ["onResume", "b"],
  ];
  test.for(points)("%s at %s", async ([hook, host]) => {
    await using all = await twoHosts();
    const { server } = all;
    const id = await sandboxOnA(all);
    const held = hold(all[host].hooks, hook);
    await drainA(all);
    await held.begun;
    await server.stop();
    for (const daemon of server.daemons) daemon.cutConnections();
    held.go();
    await server.database.pool.query(
      "update sandboxes set claim_until = clock_timestamp(), transfer_claim_until = clock_timestamp()",
    );
    await using _ = await server.another();
    await untilOnB(all, id);
  });
});
