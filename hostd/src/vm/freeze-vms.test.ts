import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { adoptVms } from "./adopt-vms.ts";
import { deleteVm } from "./delete-vm.ts";
import { settleVms } from "./freeze-vms.ts";
import { LifeKeeper } from "./life-keeper.ts";
import { pauseVm } from "./pause-vm.ts";
import { startVm } from "./start-vm.ts";
import { failureOf } from "./testing/failure-of.ts";
import { lifeHost, startOf } from "./testing/test-host.ts";

const second = 1_000;
const begin = Date.UTC(2030, 0, 1);
const signal = new AbortController().signal;

async function leased() {
  const host = await lifeHost();
  let time = begin;
  host.script.time = () => time;
  for (const id of ["one", "two"]) {
    await startVm(host.deps, startOf(id));
    host.script.alive.add(id);
  }
  return {
    host,
    runs: () => ["one", "two"].map((id) => host.script.guests.get(id)?.runs),
    pass: async (ms: number) => {
      time += ms;
      await settleVms(host.deps);
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

test("VMs run without a lease as long as nobody ever gave one", async () => {
  await using vms = await leased();
  await vms.pass(1_000_000 * second);
  expect([vms.runs(), vms.host.deps.lease.frozen]).toEqual([[true, true], false]);
});

test("all stand still when the lease is over, calls wait, and a renewal lets both go on", async () => {
  await using vms = await leased();
  const { host } = vms;
  await host.deps.lease.renew(10 * second);
  await vms.pass(9 * second);
  // Of several control planes at once the latest end counts.
  await Promise.all([5, 2, 3].map((seconds) => host.deps.lease.renew(seconds * second)));
  await vms.pass(4 * second);
  expect(vms.runs()).toEqual([true, true]);
  await vms.pass(second);
  expect([vms.runs(), host.deps.lease.frozen]).toEqual([[false, false], true]);
  expect(host.deps.registry.get("one")?.record.state).toBe("running");
  const call = host.deps.registry.get("one")?.use(signal, { brief: true });
  let served = false;
  void call?.then(() => {
    served = true;
  });
  await vms.pass(60 * second);
  expect(served).toBe(false);
  await host.deps.lease.renew(10 * second);
  await settleVms(host.deps);
  expect([vms.runs(), host.deps.lease.frozen]).toEqual([[true, true], false]);
  await call;
  expect(host.script.calls.slice(-2).map(({ case: name }) => name)).toContain("thaw");
});

test("a host without a lease starts and changes nothing, but ends what it is told to end", async () => {
  await using vms = await leased();
  const { deps } = vms.host;
  await deps.lease.renew(second);
  await vms.pass(second);
  for (const call of [startVm(deps, startOf("three")), pauseVm(deps, "one", 1)]) {
    expect((await failureOf(call)).reason).toBe("HOST_UNAVAILABLE");
  }
  await new LifeKeeper(deps).look();
  await deleteVm(deps, "one", 1);
  expect(deps.registry.get("one")).toBeUndefined();
  await deps.lease.renew(second);
  await settleVms(deps);
  expect(vms.host.script.guests.get("two")?.runs).toBe(true);
});

test("a VM that can't be stopped at once is stopped at the next look", async () => {
  await using vms = await leased();
  const { host } = vms;
  await host.deps.lease.renew(second);
  host.script.step = async () => {
    host.script.step = async () => undefined;
    throw new Error("no");
  };
  await vms.pass(second);
  expect(vms.runs().filter(Boolean)).toHaveLength(1);
  await settleVms(host.deps);
  expect(vms.runs()).toEqual([false, false]);
});

test("a VM that begins to run as the lease ends is frozen then", async () => {
  await using vms = await leased();
  const { host } = vms;
  await host.deps.lease.renew(second);
  host.script.boot = async () => vms.pass(second);
  await startVm(host.deps, startOf("three"));
  await settleVms(host.deps);
  expect(host.script.guests.get("three")?.runs).toBe(false);
});

test("a daemon that is started anew has no more of a lease than the former had, and lets no VM run in between", async () => {
  await using vms = await leased();
  const { host } = vms;
  await host.deps.lease.renew(10 * second);
  const steps: string[] = [];
  host.script.step = async (step) => void steps.push(step);
  host.script.time = () => begin + 10 * second;
  const deps = await host.restart();
  await adoptVms(deps, { signal });
  expect([vms.runs(), deps.lease.frozen, new Set(steps)]).toEqual([[false, false], true, new Set(["pause"])]);
  await settleVms(deps);
  expect(new Set(steps)).toEqual(new Set(["pause"]));
  await deps.lease.renew(second);
  await settleVms(deps);
  expect(vms.runs()).toEqual([true, true]);

  host.script.time = () => begin + 10 * second + 1;
  const before = await host.restart();
  await adoptVms(before, { signal });
  expect([vms.runs(), before.lease.frozen]).toEqual([[true, true], false]);
});

test("a lease that can't be read is over", async () => {
  await using vms = await leased();
  await writeFile(join(vms.host.dataDir, "lease.json"), "{");
  expect((await vms.host.restart()).lease.frozen).toBe(true);
});
