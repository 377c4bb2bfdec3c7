/** Pause, resume and stop, and what a crash at each point leaves. `docs/hostd-life.md` has the table. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LifeEvent } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { abortable } from "@daytonah/lib/deadline.ts";
import { describe, expect, test } from "vitest";
import { adoptVms } from "./adopt-vms.ts";
import { deleteVm } from "./delete-vm.ts";
import { pauseVm } from "./pause-vm.ts";
import { resumeVm } from "./resume-vm.ts";
import { startVm } from "./start-vm.ts";
import { stopVm } from "./stop-vm.ts";
import { failureOf } from "./testing/failure-of.ts";
import { lifeHost, startOf } from "./testing/test-host.ts";
import type { VmDeps } from "./vm-deps.ts";

const { signal } = new AbortController();
const resume = (deps: VmDeps, epoch: number) => resumeVm(deps, { sandboxId: "one", epoch, requestId: "" });
type Host = Awaited<ReturnType<typeof lifeHost>>;

/** A VM at epoch 1 whose guest has something in memory. */
async function started(host: Host, memory = "notes") {
  await startVm(host.deps, startOf("one", { env: { A: "1" } }));
  guest(host).memory = memory;
}

function guest(host: Host) {
  return host.script.guests.get("one") ?? expect.fail("there is no guest");
}

/** The daemon ends just here: what it waits for never comes. */
async function crashAt(host: Host, step: "pause" | "snapshot" | "restore", work: () => Promise<unknown>) {
  const reached = Promise.withResolvers<void>();
  host.script.step = async (at) => {
    if (at !== step) return;
    reached.resolve();
    await new Promise(() => undefined);
  };
  void work().catch(() => undefined);
  await reached.promise;
  host.script.step = async () => undefined;
}

async function next(host: Host, alive: boolean) {
  if (alive) host.script.alive.add("one");
  const deps = await host.restart();
  const report = await adoptVms(deps, { signal });
  const entry = deps.registry.get("one") ?? expect.fail("its record is gone");
  return { deps, report, entry };
}

describe("a pause", () => {
  test("keeps memory, gives its room and its processes back, and a resume goes on from it", async () => {
    await using host = await lifeHost();
    await started(host);
    const { live } = host.deps.registry.get("one") ?? {};
    const { record, stages } = await pauseVm(host.deps, "one", 1);
    expect(record).toMatchObject({ state: "paused", memory: { sizeBytes: expect.any(Number) } });
    expect(stages.map(({ stage }) => stage)).toEqual(["quiesce", "stop", "memory"]);
    expect(live?.ended.signal.reason).toMatchObject({ reason: "SANDBOX_PAUSED" });
    expect(await host.filesOf("one")).toEqual(["memory", "root.ext4", "vm.json"]);
    expect((await host.left()).runDirs).toEqual([]);
    expect(host.deps.registry.roomTakers()).toEqual([]);

    const resumed = await resume(host.deps, 2);
    expect(resumed).toMatchObject({ state: "running", epoch: 2 });
    expect(guest(host)).toEqual({ runs: true, memory: "notes" });
    expect(host.script.calls.at(-1)).toMatchObject({
      case: "personalize",
      value: { epoch: 2n, event: LifeEvent.RESUMED, keepEnvironment: true, newMachineId: false },
    });
    expect(await host.filesOf("one")).toEqual(["root.ext4", "vm.json"]);
  });

  test("and the ones after it lose nothing of what was written in between", async () => {
    await using host = await lifeHost();
    await started(host, "");
    for (const round of [1, 2, 3]) {
      guest(host).memory += `m${round}`;
      await host.writeDisk("one", `${await host.diskEnd("one", 4)}d${round}`);
      await pauseVm(host.deps, "one", round);
      await resume(host.deps, round + 1);
    }
    expect(guest(host).memory).toBe("m1m2m3");
    expect(await host.diskEnd("one", 6)).toBe("d1d2d3");
  });

  test("is one, however often it is asked for; and so is a resume", async () => {
    await using host = await lifeHost();
    await started(host);
    let snapshots = 0;
    host.script.step = async (step) => {
      if (step === "snapshot") snapshots += 1;
    };
    const many = <T>(work: () => Promise<T>) => Promise.all(Array.from({ length: 10 }, work));
    await many(() => pauseVm(host.deps, "one", 1));
    expect((await pauseVm(host.deps, "one", 1)).stages).toEqual([]);
    expect(snapshots).toBe(1);
    await many(() => resume(host.deps, 2));
    expect(await resume(host.deps, 2)).toMatchObject({ state: "running", epoch: 2 });
    expect(host.script.restores).toHaveLength(1);
  });

  test("that fails leaves the VM running, with a reason", async () => {
    await using host = await lifeHost();
    await started(host);
    const { live } = host.deps.registry.get("one") ?? {};
    for (const step of ["pause", "snapshot"]) {
      host.script.step = async (at) => {
        if (at === step) throw new Error("no");
      };
      const failure = await failureOf(pauseVm(host.deps, "one", 1));
      const stage = step === "pause" ? "stop" : "memory";
      expect([failure.reason, failure.options.metadata?.stage]).toEqual(["SNAPSHOT_FAILED", stage]);
      expect(host.deps.registry.get("one")?.record.state).toBe("running");
      expect(guest(host).runs).toBe(true);
      expect(await host.filesOf("one")).toEqual(["root.ext4", "vm.json"]);
    }
    expect(live?.ended.signal.aborted).toBe(false);
    expect(await host.deps.registry.get("one")?.use(signal, { brief: true })).toMatchObject({ live });
  });

  test("on a full disk says so, and leaves no half", async () => {
    await using host = await lifeHost();
    await started(host);
    host.script.step = async (at) => {
      if (at === "snapshot") throw Object.assign(new Error("write"), { code: "ENOSPC" });
    };
    expect((await failureOf(pauseVm(host.deps, "one", 1))).reason).toBe("HOST_NO_SPACE");
    expect(guest(host).runs).toBe(true);
    expect(await host.filesOf("one")).toEqual(["root.ext4", "vm.json"]);
  });

  test("of another epoch is refused", async () => {
    await using host = await lifeHost();
    await started(host);
    expect((await failureOf(pauseVm(host.deps, "one", 2))).reason).toBe("SANDBOX_NOT_RUNNING");
    expect((await failureOf(pauseVm(host.deps, "two", 1))).reason).toBe("SANDBOX_NOT_FOUND");
    expect(guest(host).runs).toBe(true);
  });

  test("is ended by a delete, which leaves nothing", async () => {
    await using host = await lifeHost();
    await started(host);
    host.script.step = async (at, _, options) => {
      if (at === "snapshot") await abortable(new Promise(() => undefined), options.signal);
    };
    const pause = failureOf(pauseVm(host.deps, "one", 1));
    await expect.poll(() => guest(host).runs).toBe(false);
    await deleteVm(host.deps, "one", 1);
    expect((await pause).reason).toBe("SANDBOX_STATE_CONFLICT");
    expect(await host.left()).toEqual({ vms: [], runDirs: [] });
  });

  test("that a VM does not survive leaves it failed", async () => {
    await using host = await lifeHost();
    await started(host);
    host.script.step = async (at) => {
      if (at === "pause") host.script.die("one");
      if (at === "snapshot" || at === "resume") throw new Error("it is gone");
    };
    expect((await failureOf(pauseVm(host.deps, "one", 1))).reason).toBe("VM_DIED");
    await expect.poll(() => host.deps.registry.get("one")?.record.state).toBe("failed");
  });
});

describe("a call that waits for a VM to be live again", () => {
  test("gets it after a pause and a resume, and after a failure its reason", async () => {
    await using host = await lifeHost();
    await started(host);
    const entry = host.deps.registry.get("one") ?? expect.fail();
    await pauseVm(host.deps, "one", 1);
    const waiting = entry.use(signal, { brief: true });
    await resume(host.deps, 2);
    expect((await waiting).live).toBe(entry.live);
    host.script.die("one");
    await expect.poll(() => entry.record.state).toBe("failed");
    expect((await failureOf(entry.use(signal, { brief: true }))).reason).toBe("VM_DIED");
    expect(await entry.use(AbortSignal.abort(new Error("gone")), { brief: true }).catch(String)).toContain("gone");
  });
});

describe("a resume", () => {
  test("needs room, and takes none where there is none", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("one", { memoryMib: 1024 }));
    await pauseVm(host.deps, "one", 1);
    await startVm(host.deps, startOf("two", { memoryMib: 1024 }));
    expect((await failureOf(resume(host.deps, 2))).reason).toBe("NO_CAPACITY");
    expect(host.deps.registry.get("one")?.record).toMatchObject({ state: "paused", epoch: 1 });
    await deleteVm(host.deps, "two", 1);
    expect((await resume(host.deps, 2)).state).toBe("running");
  });

  test("that fails leaves the VM as it was, and may be tried again", async () => {
    await using host = await lifeHost();
    await started(host);
    await pauseVm(host.deps, "one", 1);
    host.script.step = () => Promise.reject(new Error("no"));
    const failure = await failureOf(resume(host.deps, 2));
    expect([failure.reason, failure.options.metadata?.stage]).toEqual(["RESTORE_FAILED", "restore"]);
    expect(host.deps.registry.get("one")?.record).toMatchObject({ state: "paused", epoch: 1, memory: {} });
    host.script.step = async () => undefined;
    await resume(host.deps, 2);
    expect(guest(host).memory).toBe("notes");
  });

  test("that fails after the guest wrote to its disk drops the memory, which no longer fits", async () => {
    await using host = await lifeHost();
    await started(host);
    await pauseVm(host.deps, "one", 1);
    host.script.step = async () => {
      await host.writeDisk("one", "x");
      throw new Error("it ran for a moment");
    };
    expect((await failureOf(resume(host.deps, 2))).reason).toBe("RESTORE_FAILED");
    expect(host.deps.registry.get("one")?.record).not.toHaveProperty("memory");
    host.script.step = async () => undefined;
    await resume(host.deps, 2);
    expect(host.script.boots).toHaveLength(2);
    expect(guest(host).memory).toBe("");
  });

  test("of an epoch that is over, or of the present one, is refused; of a VM that runs already it raises the epoch", async () => {
    await using host = await lifeHost();
    await started(host);
    await resume(host.deps, 5);
    expect(host.deps.registry.get("one")?.record).toMatchObject({ state: "running", epoch: 5 });
    await pauseVm(host.deps, "one", 5);
    for (const epoch of [4, 5]) expect((await failureOf(resume(host.deps, epoch))).reason).toBe("SANDBOX_NOT_RUNNING");
  });

  test("of a failed VM boots it from its disk, with its environment", async () => {
    await using host = await lifeHost();
    await started(host);
    await host.writeDisk("one", "kept");
    host.script.die("one");
    await expect.poll(() => host.deps.registry.get("one")?.record.state).toBe("failed");
    expect(await resume(host.deps, 2)).toMatchObject({ state: "running", epoch: 2 });
    expect(await host.diskEnd("one", 4)).toBe("kept");
    expect(host.script.calls.at(-1)).toMatchObject({ value: { env: { A: "1" }, keepEnvironment: false } });
  });
});

describe("a stop", () => {
  test("keeps the disk alone; a resume boots from it", async () => {
    await using host = await lifeHost();
    await started(host);
    await host.writeDisk("one", "kept");
    expect(await stopVm(host.deps, { sandboxId: "one", epoch: 1 })).not.toHaveProperty("memory");
    expect((await host.left()).runDirs).toEqual([]);
    await resume(host.deps, 2);
    expect(host.script.boots).toHaveLength(2);
    expect(await host.diskEnd("one", 4)).toBe("kept");
  });

  test("keeps what a pause kept, and is right for a failed VM and for none", async () => {
    await using host = await lifeHost();
    await started(host);
    await pauseVm(host.deps, "one", 1);
    expect(await stopVm(host.deps, { sandboxId: "one", epoch: 1 })).toMatchObject({ state: "paused", memory: {} });
    await resume(host.deps, 2);
    host.script.die("one");
    await expect.poll(() => host.deps.registry.get("one")?.record.state).toBe("failed");
    expect(await stopVm(host.deps, { sandboxId: "one", epoch: 2 })).toMatchObject({ state: "paused" });
    expect(await stopVm(host.deps, { sandboxId: "two", epoch: 2 })).toBeUndefined();
    expect((await failureOf(stopVm(host.deps, { sandboxId: "one", epoch: 1 }))).reason).toBe("SANDBOX_NOT_RUNNING");
  });
});

describe("a daemon that ended", () => {
  test("while memory was written finds the VM alive, and runs it on", async () => {
    await using host = await lifeHost();
    await started(host);
    await crashAt(host, "snapshot", () => pauseVm(host.deps, "one", 1));
    const { entry, report } = await next(host, true);
    expect(report.adopted).toBe(1);
    expect(entry.record).toMatchObject({ state: "running", epoch: 1 });
    expect(guest(host)).toEqual({ runs: true, memory: "notes" });
    expect(await host.filesOf("one")).toEqual(["root.ext4", "vm.json"]);
  });

  test("while memory was written, and its VM with it, keeps the disk", async () => {
    await using host = await lifeHost();
    await started(host);
    await crashAt(host, "snapshot", () => pauseVm(host.deps, "one", 1));
    const { entry, deps } = await next(host, false);
    expect(entry.record).toMatchObject({ state: "failed", failure: { reason: "VM_DIED" } });
    await resume(deps, 2);
    expect(host.script.boots).toHaveLength(2);
  });

  test.each([true, false])("when memory was whole has it paused, whether its VM lives (%s)", async (alive) => {
    await using host = await lifeHost();
    await started(host);
    await crashAt(host, "snapshot", () => pauseVm(host.deps, "one", 1));
    const memory = join(host.dataDir, "vms/one/memory");
    await mkdir(memory); // it took its place, and the record did not say so yet
    await writeFile(join(memory, "memory"), "notes");
    const { entry, deps, report } = await next(host, alive);
    expect([report.paused, entry.record.state]).toEqual([1, "paused"]);
    await resume(deps, 2);
    expect(guest(host).memory).toBe("notes");
  });

  test("right after the record said paused has it paused, and nothing runs", async () => {
    await using host = await lifeHost();
    await started(host);
    await pauseVm(host.deps, "one", 1);
    const { entry, deps } = await next(host, true); // its processes were not ended yet
    expect(entry.record).toMatchObject({ state: "paused", memory: {} });
    expect(host.script.sweeps.length).toBeGreaterThan(0);
    await resume(deps, 2);
    expect(guest(host).memory).toBe("notes");
  });

  test("while a VM was restored has its memory still, where the guest wrote nothing", async () => {
    await using host = await lifeHost();
    await started(host);
    await pauseVm(host.deps, "one", 1);
    await crashAt(host, "restore", () => resume(host.deps, 2));
    const { entry, deps } = await next(host, false);
    expect(entry.record).toMatchObject({ state: "paused", epoch: 1, memory: {} });
    await resume(deps, 2);
    expect(guest(host).memory).toBe("notes");
  });

  test("while a VM was restored that wrote to its disk has the disk alone, as after a power cut", async () => {
    await using host = await lifeHost();
    await started(host);
    await pauseVm(host.deps, "one", 1);
    await crashAt(host, "restore", () => resume(host.deps, 2));
    await host.writeDisk("one", "x");
    const { entry } = await next(host, false);
    expect(entry.record).not.toHaveProperty("memory");
    expect(await host.filesOf("one")).toEqual(["root.ext4", "vm.json"]);
  });

  test("after a restore, and before its record said so, takes the VM over", async () => {
    await using host = await lifeHost();
    await started(host);
    await pauseVm(host.deps, "one", 1);
    const entry = host.deps.registry.get("one") ?? expect.fail();
    const move = host.deps.registry.move.bind(host.deps.registry);
    const reached = Promise.withResolvers<void>();
    host.deps.registry.move = async (of, condition, plan) => {
      if (condition.state !== "running") return move(of, condition, plan);
      reached.resolve();
      return new Promise(() => undefined);
    };
    void resume(host.deps, 2);
    await reached.promise;
    expect(entry.record).toMatchObject({ state: "resuming", handle: {} });
    const after = await next(host, true);
    expect(after.entry.record).toMatchObject({ state: "running", epoch: 2 });
    expect(guest(host).memory).toBe("notes");
    expect(await host.filesOf("one")).toEqual(["root.ext4", "vm.json"]);
  });

  test("and left memory beside a VM that runs removes it", async () => {
    await using host = await lifeHost();
    await started(host);
    await mkdir(join(host.dataDir, "vms/one/memory"));
    await mkdir(join(host.dataDir, "vms/one/memory.draft"));
    await next(host, true);
    expect(await host.filesOf("one")).toEqual(["root.ext4", "vm.json"]);
  });
});
