/**
 * Clients live the lives of sandboxes on a platform of three hosts, while its parts are killed, cut off and filled up at
 * random. A model of what each client was told runs beside it, and afterwards everything is held against it.
 *
 * The seed plays the same choices again, though not the same moments.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { openDatabase } from "../../../../server/src/db/open-database.ts";
import { type Random, seeded } from "../random.ts";
import { auditContents, auditRows } from "./audit.ts";
import { Client } from "./client.ts";
import { startCluster } from "./cluster.ts";
import { Faults, faultKinds } from "./faults.ts";
import { leftoversOf, machineState, newOnMachine, readOwners } from "./leftovers.ts";
import { Model } from "./model.ts";
import { untilAllReady, untilNone, untilSettled } from "./settle.ts";
import { Witness } from "./witness.ts";
import type { World } from "./world.ts";

const hosts = 3;
const clients = 3;
/** How often as long it may take until each fault has come. */
const slowest = 4;
/** Until hosts are heard of that were away. */
const returnLimitMs = 60_000;
/** From then on until nothing is under way, and until nothing is left. */
const quietMs = 10_000;

export async function chaos(durationMs: number, seed: number): Promise<void> {
  const began = performance.now();
  const time = () => `${((performance.now() - began) / 1000).toFixed(0)} s`;
  console.log(`chaos: DNAH_TEST_SEED=${seed}, faults for ${durationMs / 1000} s`);
  await using cluster = await startCluster({
    ...{ hosts, bundle: needed("DNAH_TEST_BUNDLE"), vhostDeviceVsock: needed("DNAH_VHOST_DEVICE_VSOCK") },
  });
  console.log(`chaos: ${hosts} hosts are up after ${time()}`);
  const settled = machineState();
  const model = new Model();
  const ending = new AbortController();
  const world: World = {
    cluster,
    model,
    name: `chaos-${seed}`,
    over: ending.signal,
    vmmKills: new Map(),
    onSnapshot: undefined,
  };
  const random = seeded(seed);
  const own = (): Random => seeded(random.below(2 ** 32));
  using witness = new Witness(cluster.hosts);
  const faults = new Faults(world, own());

  const struckAt = performance.now();
  const working = Promise.all([
    faults.run(),
    ...Array.from({ length: clients }, (_, index) => new Client(world, String(index), own()).run()),
  ]);
  const enough = async () => {
    await sleep(durationMs);
    // On a slow machine a fault lasts longer; each kind is to come once.
    while (faults.counts.size < faultKinds.length && performance.now() - struckAt < slowest * durationMs)
      await sleep(500);
  };
  await Promise.race([enough(), working]).finally(() => ending.abort());
  await working;
  console.log(`chaos: the faults are over after ${time()}`);

  await using database = openDatabase({ url: cluster.postgres.url, maxConnections: 2, onIdleError: () => undefined });
  const returnedMs = await untilAllReady(database, returnLimitMs);
  const settledMs = await untilSettled(database, quietMs);
  const left = await untilNone(quietMs, async () => leftoversOf(cluster, await readOwners(database)));
  await auditRows(world, database);
  await auditContents(world, own());
  const atEnd = await purgeAll();
  const rounds = [...model.outcomes.values()].reduce((sum, count) => sum + count, 0);
  console.log(
    `chaos: ${[...model.outcomes]
      .map(([what, count]) => `${what}: ${count}`)
      .sort()
      .join(", ")}`,
  );
  console.log(
    `chaos: ${rounds} calls, faults ${JSON.stringify(Object.fromEntries(faults.counts))}, ${model.checks} checks, ` +
      `${witness.sightings} sightings of ${witness.epochs.size} sandboxes that ran; hosts were back ${returnedMs} ms after the last fault, and all had settled after ${settledMs} more; ${time()}`,
  );

  const problems = [...model.problems, ...witness.violations, ...left, ...atEnd];
  if (problems.length > 0) console.log(`chaos: what its programs wrote is in ${cluster.keepLogs()}`);
  expect(problems).toEqual([]);
  expect(returnedMs).toBeLessThan(returnLimitMs);
  expect(settledMs).toBeLessThan(quietMs);
  // Enough came through to be checked.
  expect([...faults.counts.keys()].sort()).toEqual([...faultKinds].sort());
  for (const what of ["create", "write", "pause", "resume", "snapshot", "fork", "delete"]) {
    expect(model.outcomes.get(`${what} done`), what).toBeGreaterThan(0);
  }

  /** What is left when every sandbox and snapshot is gone, its tombstone too. */
  async function purgeAll(): Promise<string[]> {
    const [api] = cluster.apis;
    const sandboxes = await database.db.selectFrom("sandboxes").select("id").where("host_id", "is not", null).execute();
    const failed = await database.db.selectFrom("sandboxes").select("id").where("state", "!=", "deleted").execute();
    const ids = new Set([...sandboxes, ...failed].map(({ id }) => id));
    await Promise.all([...ids].map((sandboxId) => api?.sandboxes.deleteSandbox({ sandboxId, purge: true })));
    const snapshots = await database.db.selectFrom("snapshots").select("id").where("state", "!=", "deleted").execute();
    await Promise.all(snapshots.map(({ id }) => api?.snapshots.deleteSnapshot({ snapshotId: id })));
    return untilNone(quietMs, async () => [
      ...leftoversOf(cluster, await readOwners(database)),
      ...(await readOwners(database)).disks.keys().map((host) => `${host} has sandboxes`),
      ...newOnMachine(settled),
    ]);
  }
}

function needed(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run this through \`npm test -- vm\``);
  return value;
}
