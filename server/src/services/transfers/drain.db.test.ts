import { HostService } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { SnapshotService } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import { describe, expect, test } from "vitest";
import type { FakeHooks } from "../../hosts/fake-life.ts";
import { hold } from "../../testing/hold.ts";
import { until } from "../../testing/test-server.ts";
import { twoHosts } from "../../testing/two-hosts.ts";

test("a drain empties a host: what ran runs on elsewhere, paused and failed ones and snapshots follow", async () => {
  await using all = await twoHosts();
  const { server, a, b } = all;
  const [sandboxes, snapshots] = [server.client(SandboxService), server.client(SnapshotService)];
  const [running, paused, failed] = [await all.create(), await all.create(), await all.create()];
  await server.database.pool.query(
    "update sandboxes set timeout_ms = 600000, end_time = clock_timestamp() + interval '100 s' where id = $1",
    [running],
  );
  const { snapshot } = await snapshots.createSnapshot({ sandboxId: paused });
  const snapshotId = snapshot?.id ?? "";
  await sandboxes.pauseSandbox({ sandboxId: paused });
  a.kill(failed);
  await until(async () => (await all.rowOf(failed)).state === "failed");

  await all.drainA();
  expect(await all.hostA()).toMatchObject({ draining: true, snapshots: 1 });
  await until(async () => (await all.hostA()).sandboxes + (await all.hostA()).snapshots === 0);
  await all.untilRunsOn("b", running);
  const inPeace = { state: "paused", epoch: "2", host_id: "b", transfer: null };
  expect([await all.rowOf(paused), await all.rowOf(failed)]).toMatchObject([inPeace, inPeace]);
  expect((await sandboxes.getSandbox({ sandboxId: paused })).sandbox?.memoryKept).toBe(true);
  expect((await sandboxes.getSandbox({ sandboxId: failed })).sandbox?.memoryKept).toBe(false);
  expect(a.vms.size + a.snapshots.size).toBe(0);
  expect([...b.snapshots.keys()]).toEqual([snapshotId]);

  // Its time was neither begun anew nor did the pause cost any of it.
  const { sandbox } = await sandboxes.getSandbox({ sandboxId: running });
  expect(Number(sandbox?.endTime?.seconds) - Date.now() / 1000).toBeLessThan(110);
  const back = await sandboxes.rollBackSandbox({ sandboxId: paused, snapshotId });
  expect(back.sandbox).toMatchObject({ hostId: "b", state: SandboxState.RUNNING });
  await server.client(HostService).removeHost({ hostId: "a" });
  await until(() => server.server.statuses.size === 1);
  const { rows } = await server.database.pool.query("select data from events where kind = 'sandbox.moved'");
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
    const id = await all.create();
    const held = hold(all[host].hooks, hook);
    await all.drainA();
    await held.begun;
    await server.stop();
    for (const daemon of server.daemons) daemon.cutConnections();
    held.go();
    // As if the time of its claims were over.
    await server.database.pool.query(
      "update sandboxes set claim_until = clock_timestamp(), transfer_claim_until = clock_timestamp()",
    );
    await using _ = await server.another();
    await all.untilRunsOn("b", id);
  });
});

test("several servers move each sandbox once", async () => {
  await using all = await twoHosts();
  await using _ = await all.server.another();
  await using __ = await all.server.another();
  const ids = [await all.create(), await all.create(), await all.create(), await all.create()];
  await all.drainA();
  for (const id of ids) await all.untilRunsOn("b", id);
  const verbs = [...all.a.calls, ...all.b.calls].map((call) => call.split(" ")[0]);
  for (const verb of ["pause", "write", "resume"]) expect(verbs.filter((each) => each === verb)).toHaveLength(4);
});

test("an undrain in the middle: what has begun to move arrives, the rest stays", async () => {
  await using all = await twoHosts();
  const ids = [await all.create(), await all.create(), await all.create()];
  const held = hold(all.a.hooks, "onRead");
  await all.drainA();
  await until(() => all.b.calls.filter((call) => call.startsWith("write")).length === 2);
  await all.server.client(HostService).undrainHost({ hostId: "a" });
  held.go();
  const stays = ids.find((id) => !all.b.calls.some((call) => call.startsWith(`write ${id}`))) ?? "";
  for (const id of ids.filter((each) => each !== stays)) await all.untilRunsOn("b", id);
  expect(await all.rowOf(stays)).toMatchObject({ state: "running", epoch: "1", host_id: "a" });
});
