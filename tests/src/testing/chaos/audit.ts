/** Holds the platform against what its clients were told, once the faults are over. */
import { type Sandbox, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import type { Database } from "../../../../server/src/db/open-database.ts";
import type { Random } from "../random.ts";
import { Caller } from "./caller.ts";
import { readLines } from "./guest-lines.ts";
import type { KnownSandbox } from "./model.ts";
import { checkFailed, type World } from "./world.ts";

/** As many guests come up at once. */
const atOnce = 2;
const sampled = 2;

/** Each sandbox that is there, with all that was written to it; samples of what can be brought back. */
export async function auditContents(world: World, random: Random): Promise<void> {
  const { model, cluster } = world;
  const caller = new Caller(cluster.apis, model, random);
  const there = [...model.sandboxes.values()].filter(({ deleted }) => deleted === "no");
  await inTurn(there, (one) => auditSandbox(world, caller, one));
  const tombstones = [...model.sandboxes.values()].filter(({ deleted }) => deleted === "yes");
  await inTurn(random.shuffle(tombstones).slice(0, sampled), async (one) => {
    const back = await caller.repeated("undelete at the end", ({ sandboxes }) =>
      sandboxes.undeleteSandbox({ sandboxId: one.id }),
    );
    model.check(back.t === "done", `${one.id} can't be taken back`);
    if (back.t !== "done") return;
    one.deleted = "no";
    await auditSandbox(world, caller, one);
  });
  const snapshots = [...model.snapshots.values()].filter(({ deleted }) => deleted === "no");
  await inTurn(random.shuffle(snapshots).slice(0, sampled), async ({ id, contents }) => {
    const key = `${world.name}-audit-${id}`;
    model.requests.set(key, 1);
    const made = await caller.repeated("create from snapshot at the end", ({ sandboxes }) =>
      sandboxes.createSandbox({ snapshotId: id, idempotencyKey: key, metadata: { key } }),
    );
    model.check(made.t === "done", `the snapshot ${id} can't be restored`);
    if (made.t !== "done") return;
    const { id: child } = made.value.sandbox as Sandbox;
    await checkLines(world, caller, { id: child, contents });
    await caller.repeated("delete at the end", ({ sandboxes }) =>
      sandboxes.deleteSandbox({ sandboxId: child, purge: true }),
    );
  });
}

async function auditSandbox(world: World, caller: Caller, one: KnownSandbox): Promise<void> {
  const { model } = world;
  const got = await caller.repeated("get at the end", ({ sandboxes }) => sandboxes.getSandbox({ sandboxId: one.id }));
  model.check(got.t === "done", `${one.id} is gone`);
  if (got.t !== "done") return;
  const { state, hostId } = got.value.sandbox as Sandbox;
  if (state === SandboxState.FAILED) checkFailed(world, one, hostId);
  if (state !== SandboxState.RUNNING) {
    const resumed = await caller.repeated("resume at the end", ({ sandboxes }) =>
      sandboxes.resumeSandbox({ sandboxId: one.id }),
    );
    model.check(resumed.t === "done", `${one.id} can't be resumed from state ${state}`);
    if (resumed.t !== "done") return;
  }
  await checkLines(world, caller, one);
}

async function checkLines(world: World, caller: Caller, one: Pick<KnownSandbox, "id" | "contents">): Promise<void> {
  const read = await caller.repeated("read at the end", (api) => readLines(api, one.id));
  world.model.check(read.t === "done", `${one.id} can't be read`);
  if (read.t === "done") world.model.checkContent(one, read.value.lines);
}

/** The rows of the database against the model's counts, and its own counts of what each host has against its rows. */
export async function auditRows({ model }: World, { db }: Database): Promise<void> {
  const rows = await db
    .selectFrom("sandboxes")
    .select(["id", "state", "metadata", "host_id", "memory_mib", "vcpus"])
    .execute();
  const stateOf = new Map(rows.map(({ id, state }) => [id, state]));
  for (const { id, deleted } of model.sandboxes.values()) {
    const state = stateOf.get(id);
    if (deleted === "no")
      model.check(state === "running" || state === "paused" || state === "failed", `${id} is ${state}`);
    if (deleted === "yes") model.check(state === "deleted", `${id} was deleted, and is ${state}`);
  }
  const made = Map.groupBy(rows, ({ metadata }) => String((metadata as Record<string, string>).key));
  for (const [key, list] of made) {
    const most = model.requests.get(key) ?? 0;
    model.check(list.length <= most, `${list.length} sandboxes were made for ${key}, of ${most}`);
  }
  const snapshots = await db.selectFrom("snapshots").select(["id", "state", "internal"]).execute();
  for (const { id, deleted } of model.snapshots.values()) {
    const state = snapshots.find((row) => row.id === id)?.state;
    if (deleted !== "asked") model.check(state === (deleted === "no" ? "ready" : "deleted"), `${id} is ${state}`);
  }
  const internal = snapshots.filter((row) => row.internal && row.state !== "deleted");
  model.check(internal.length === 0, `${internal.length} snapshots of forks are left`);
  for (const load of await db.selectFrom("host_loads").selectAll().execute()) {
    const onHost = rows.filter(({ host_id, state }) => host_id === load.host_id && state !== "deleted");
    const running = onHost.filter(({ state }) => state === "running");
    const sum = (of: "memory_mib" | "vcpus") => running.reduce((total, row) => total + row[of], 0);
    const counted = [load.sandboxes, load.vms, Number(load.memory_mib), load.vcpus];
    const there = [onHost.length, running.length, sum("memory_mib"), sum("vcpus")];
    model.check(counted.join() === there.join(), `${load.host_id} is counted as ${counted}, and has ${there}`);
  }
}

async function inTurn<T>(values: readonly T[], visit: (value: T) => Promise<void>): Promise<void> {
  const left = [...values];
  const work = async () => {
    for (let value = left.shift(); value !== undefined; value = left.shift()) await visit(value);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
