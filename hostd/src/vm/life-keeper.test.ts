import { describe, expect, test } from "vitest";
import { adoptVms } from "./adopt-vms.ts";
import { LifeKeeper } from "./life-keeper.ts";
import { pauseVm } from "./pause-vm.ts";
import { resumeVm } from "./resume-vm.ts";
import { setVmLifecycle } from "./set-vm-lifecycle.ts";
import { startVm } from "./start-vm.ts";
import { lifeHost, startOf } from "./testing/test-host.ts";
import type { VmLifecycle } from "./vm-record.ts";
import { wakeVm } from "./wake-vm.ts";

const minute = 60_000;
const begin = Date.UTC(2030, 0, 1);

/** One VM at a time of the test's own. */
async function living(lifecycle: Partial<VmLifecycle>) {
  const host = await lifeHost();
  let time = begin;
  host.script.time = () => time;
  const told = { version: 1, deleteAtEnd: false, autoResume: false, ...lifecycle };
  await startVm(host.deps, startOf("one", { lifecycle: told }));
  const entry = host.deps.registry.get("one") ?? expect.fail();
  const keeper = new LifeKeeper(host.deps);
  await keeper.look();
  return {
    ...{ host, entry, keeper, told },
    /** Lets time pass, and looks. */
    pass: async (ms: number) => {
      time += ms;
      await keeper.look();
      return entry.record.state;
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

describe("a VM's time", () => {
  test("is over at its end, and not a moment before; then it is paused with its memory", async () => {
    await using vm = await living({ endTime: begin + minute });
    expect(await vm.pass(minute - 1)).toBe("running");
    expect(await vm.pass(1)).toBe("paused");
    expect(vm.entry.record).toMatchObject({ lifecycle: { leftMs: 0 }, memory: {} });
  });

  test("is over for good where it is to be deleted: stopped, and told to the control plane", async () => {
    await using vm = await living({ endTime: begin + minute, deleteAtEnd: true });
    expect(await vm.pass(minute)).toBe("paused");
    expect(vm.entry.record).toMatchObject({ expired: true });
    expect(vm.entry.record).not.toHaveProperty("memory");
    await setVmLifecycle(vm.host.deps, "one", 1, { ...vm.told, version: 2 });
    expect(vm.entry.record).not.toHaveProperty("expired");
  });

  test("does not run while it is paused, however it was paused and is resumed", async () => {
    await using vm = await living({ endTime: begin + 10 * minute, autoResume: true });
    await vm.pass(4 * minute);
    await pauseVm(vm.host.deps, "one", 1);
    expect(vm.entry.record.lifecycle).toMatchObject({ leftMs: 6 * minute });
    expect(vm.entry.record.lifecycle).not.toHaveProperty("endTime");
    expect(await vm.pass(60 * minute)).toBe("paused");
    await wakeVm(vm.host.deps, vm.entry);
    expect(await vm.pass(6 * minute - 1)).toBe("running");
    await pauseVm(vm.host.deps, "one", 1);
    await resumeVm(vm.host.deps, { sandboxId: "one", epoch: 2, requestId: "" });
    expect(await vm.pass(1)).toBe("paused");
  });

  test("is what it was where a pause comes to nothing", async () => {
    await using vm = await living({ endTime: begin + minute });
    vm.host.script.step = async (step) => {
      if (step === "snapshot") throw new Error("no");
    };
    await expect(pauseVm(vm.host.deps, "one", 1)).rejects.toThrow("memory");
    expect(vm.entry.record).toMatchObject({ state: "running", lifecycle: { endTime: begin + minute } });
  });

  test("is changed by a newer lifecycle alone", async () => {
    await using vm = await living({ endTime: begin + minute });
    await setVmLifecycle(vm.host.deps, "one", 1, { ...vm.told, version: 3, endTime: begin + 5 * minute });
    await setVmLifecycle(vm.host.deps, "one", 1, { ...vm.told, version: 2, endTime: begin + 2 * minute });
    expect(await vm.pass(4 * minute)).toBe("running");
    await expect(setVmLifecycle(vm.host.deps, "one", 2, { ...vm.told, version: 9 })).rejects.toThrow("epoch");
    expect(await vm.pass(minute)).toBe("paused");
  });

  test("that was told while it was paused begins when it goes on", async () => {
    await using vm = await living({});
    await pauseVm(vm.host.deps, "one", 1);
    await setVmLifecycle(vm.host.deps, "one", 1, { ...vm.told, version: 2, endTime: begin + minute });
    await vm.pass(60 * minute);
    await resumeVm(vm.host.deps, { sandboxId: "one", epoch: 2, requestId: "" });
    expect(await vm.pass(minute - 1)).toBe("running");
    expect(await vm.pass(1)).toBe("paused");
  });

  test("goes on over a restart of the daemon, and is over though it was away", async () => {
    await using vm = await living({ endTime: begin + minute });
    vm.host.script.alive.add("one");
    const deps = await vm.host.restart();
    await adoptVms(deps, { signal: new AbortController().signal });
    const keeper = new LifeKeeper(deps);
    await keeper.look();
    expect(deps.registry.get("one")?.record.state).toBe("running");
    vm.host.script.time = () => begin + 2 * minute;
    await keeper.look();
    expect(deps.registry.get("one")?.record.state).toBe("paused");
  });

  test("that is over is tried again where the pause failed, but not at once", async () => {
    await using vm = await living({ endTime: begin + minute, autoResume: true });
    let tries = 0;
    vm.host.script.step = async (step) => {
      if (step === "snapshot" && ++tries === 1) throw new Error("no");
    };
    expect(await vm.pass(minute)).toBe("running");
    expect(await vm.pass(1_000)).toBe("running");
    expect(tries).toBe(1);
    expect(await vm.pass(minute)).toBe("paused");
  });

  test("begins anew where the host wakes it by itself, whatever was left, and is over again", async () => {
    await using vm = await living({ endTime: begin + minute, timeoutMs: 10 * minute, autoResume: true });
    expect(await vm.pass(minute)).toBe("paused"); // nothing was left
    for (let wakes = 0; wakes < 2; wakes += 1) {
      await wakeVm(vm.host.deps, vm.entry);
      expect(vm.entry.record.lifecycle).not.toHaveProperty("leftMs");
      expect(await vm.pass(10 * minute - 1)).toBe("running");
      expect(await vm.pass(1)).toBe("paused");
    }
    await wakeVm(vm.host.deps, vm.entry);
    await vm.pass(9 * minute);
    await pauseVm(vm.host.deps, "one", 1); // a minute was left
    await wakeVm(vm.host.deps, vm.entry);
    expect(await vm.pass(10 * minute - 1)).toBe("running");
    expect(await vm.pass(1)).toBe("paused");
  });
});

describe("a VM that nobody uses", () => {
  test("is paused after its time without use, which begins with the last one's end", async () => {
    await using vm = await living({ idleTimeoutMs: minute });
    expect(await vm.pass(minute - 1)).toBe("running");
    const use = vm.entry.uses.begin(false);
    expect(await vm.pass(60 * minute)).toBe("running");
    use[Symbol.dispose]();
    vm.entry.uses.begin(true)[Symbol.dispose](); // one that came and went between two looks
    expect(await vm.pass(minute - 1)).toBe("running");
    expect(await vm.pass(minute)).toBe("paused");
  });

  test("runs on where a use began while it was about to be paused", async () => {
    await using vm = await living({ idleTimeoutMs: minute });
    const freeDisk = vm.host.deps.store.freeDiskMib.bind(vm.host.deps.store);
    vm.host.deps.store.freeDiskMib = async () => {
      vm.entry.uses.begin(false);
      return freeDisk();
    };
    expect(await vm.pass(minute)).toBe("running");
    expect(vm.host.script.calls.map(({ case: name }) => name)).not.toContain("quiesce");
  });

  test("of a pool waits for ever", async () => {
    await using host = await lifeHost();
    host.script.time = () => begin;
    const lifecycle = { version: 1, deleteAtEnd: true, autoResume: false, endTime: begin, idleTimeoutMs: 0 };
    await startVm(host.deps, startOf("one", { standby: true, lifecycle }));
    await new LifeKeeper(host.deps).look();
    expect(host.deps.registry.get("one")?.record.state).toBe("running");
  });
});
