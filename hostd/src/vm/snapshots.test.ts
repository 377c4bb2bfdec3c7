/** Snapshots, VMs that start from them, and roll backs, with what a crash at each point leaves. */
import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LifeEvent } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { describe, expect, test } from "vitest";
import { adoptVms } from "./adopt-vms.ts";
import { deleteVm } from "./delete-vm.ts";
import { pauseVm } from "./pause-vm.ts";
import { resumeVm } from "./resume-vm.ts";
import { rollBackVm } from "./roll-back-vm.ts";
import { snapshotVm } from "./snapshot-vm.ts";
import { startVm } from "./start-vm.ts";
import { stopVm } from "./stop-vm.ts";
import { failureOf } from "./testing/failure-of.ts";
import { lifeHost, startOf } from "./testing/test-host.ts";
import type { VmDeps } from "./vm-deps.ts";

const { signal } = new AbortController();
type Host = Awaited<ReturnType<typeof lifeHost>>;

const snapshot = (deps: VmDeps, snapshotId = "snap_a", epoch = 1) =>
  snapshotVm(deps, { sandboxId: "one", epoch, snapshotId });
const rollBack = (deps: VmDeps, epoch: number, snapshotId = "snap_a") =>
  rollBackVm(deps, { sandboxId: "one", epoch, snapshotId, requestId: "" });

function guestOf(host: Host, sandboxId: string) {
  return host.script.guests.get(sandboxId) ?? expect.fail("there is no guest");
}

async function parent(host: Host) {
  const [tokenSha256, signingKey] = ["a".repeat(64), "b".repeat(64)];
  const access = { version: 1, tokenGeneration: 1, tokenSha256, signingKey, publicPorts: [80] };
  await startVm(host.deps, startOf("one", { env: { A: "1", B: "1" }, access }));
  guestOf(host, "one").memory = "then";
  await host.writeDisk("one", "then");
}

async function nextDaemon(host: Host) {
  const deps = await host.restart();
  await adoptVms(deps, { signal });
  return deps;
}

describe("a snapshot", () => {
  test("of a running VM has its memory and disk of one instant, and says how long the guest stood still", async () => {
    await using host = await lifeHost();
    await parent(host);
    const { manifest, stages } = await snapshot(host.deps);
    expect(manifest).toMatchObject({ snapshotId: "snap_a", sandboxId: "one", epoch: 1, memoryKept: true });
    expect(stages.map(({ stage }) => stage)).toEqual(["quiesce", "stop", "memory", "disk", "window"]);
    expect(guestOf(host, "one").runs).toBe(true);
    expect(host.deps.registry.get("one")?.record.state).toBe("running");
    expect(await host.snapshots()).toEqual(["snap_a"]);
    expect((await snapshot(host.deps)).stages).toEqual([]);
    expect(host.deps.snapshots.list()).toEqual([manifest]);
  });

  test("is made into VMs of their own, any number of times, also after its VM is gone and the daemon was started anew", async () => {
    await using host = await lifeHost();
    await parent(host);
    await snapshot(host.deps);
    guestOf(host, "one").memory = "now";
    await host.writeDisk("one", "now!");
    await deleteVm(host.deps, "one", 1);
    const deps = await nextDaemon(host);
    for (const id of ["two", "three"]) {
      const child = await startVm(deps, startOf(id, { snapshotId: "snap_a", env: { B: "2" }, memoryMib: 4096 }));
      expect(child).toMatchObject({ state: "running", memoryMib: 256, snapshotId: "snap_a", env: { A: "1", B: "2" } });
      expect(child).not.toHaveProperty("access"); // its parent's opens nothing here
      expect(guestOf(host, id)).toEqual({ runs: true, memory: "then" });
      expect(host.script.calls.at(-1)).toMatchObject({
        case: "personalize",
        value: { sandboxId: id, event: LifeEvent.FORKED, keepEnvironment: true, newMachineId: true, hostname: id },
      });
    }
    await host.writeDisk("two", "own!");
    expect([await host.diskEnd("two", 4), await host.diskEnd("three", 4)]).toEqual(["own!", "then"]);
    await deps.snapshots.delete("snap_a");
    await deps.snapshots.delete("snap_a");
    expect(await host.snapshots()).toEqual([]);
    expect(await host.diskEnd("three", 4)).toBe("then");
    const late = await failureOf(startVm(deps, startOf("four", { snapshotId: "snap_a" })));
    expect(late.reason).toBe("SNAPSHOT_NOT_FOUND");
  });

  test("of a paused VM is the same, and leaves it paused", async () => {
    await using host = await lifeHost();
    await parent(host);
    await pauseVm(host.deps, "one", 1);
    expect((await snapshot(host.deps)).manifest.memoryKept).toBe(true);
    await startVm(host.deps, startOf("two", { snapshotId: "snap_a" }));
    expect(guestOf(host, "two").memory).toBe("then");
    expect(host.deps.registry.get("one")?.record).toMatchObject({ state: "paused", memory: {} });
    await resumeVm(host.deps, { sandboxId: "one", epoch: 2, requestId: "" });
    expect(guestOf(host, "one").memory).toBe("then");
    await stopVm(host.deps, { sandboxId: "one", epoch: 2 });
    expect((await snapshot(host.deps, "snap_b", 2)).manifest.memoryKept).toBe(false);
    await startVm(host.deps, startOf("three", { snapshotId: "snap_b" }));
    expect(host.script.boots).toHaveLength(2);
    expect(await host.diskEnd("three", 4)).toBe("then");
  });

  test.each(["pause", "snapshot"])("that fails at %s leaves nothing, and the VM running", async (step) => {
    await using host = await lifeHost();
    await parent(host);
    host.script.step = async (at) => {
      if (at === step) throw new Error("no");
    };
    expect((await failureOf(snapshot(host.deps))).reason).toBe("SNAPSHOT_FAILED");
    expect(guestOf(host, "one").runs).toBe(true);
    expect(await host.snapshots()).toEqual([]);
  });

  test("on a full disk leaves nothing, and the VM running", async () => {
    await using host = await lifeHost();
    await parent(host);
    host.script.copy = () => Promise.reject(Object.assign(new Error("write"), { code: "ENOSPC" }));
    expect((await failureOf(snapshot(host.deps))).reason).toBe("HOST_NO_SPACE");
    expect(guestOf(host, "one").runs).toBe(true);
    expect(await host.snapshots()).toEqual([]);
    expect(host.deps.registry.get("one")?.record.state).toBe("running");
  });

  test("after which the guest can't go on ends in a failed VM, not in one that stands for ever", async () => {
    await using host = await lifeHost();
    await parent(host);
    host.script.step = async (at) => {
      if (at === "resume") throw new Error("no");
    };
    expect((await failureOf(snapshot(host.deps))).reason).toBe("VM_DIED");
    await expect.poll(() => host.deps.registry.get("one")?.record.state).toBe("failed");
    expect(await host.snapshots()).toEqual([]);
  });

  test("that a daemon was making is gone with it, and its VM runs on", async () => {
    await using host = await lifeHost();
    await parent(host);
    const reached = Promise.withResolvers<void>();
    host.script.step = async (at) => {
      if (at !== "snapshot") return;
      reached.resolve();
      await new Promise(() => undefined);
    };
    void snapshot(host.deps);
    await reached.promise;
    host.script.step = async () => undefined;
    expect(await host.snapshots()).toEqual(["snap_a.draft"]);
    expect(guestOf(host, "one").runs).toBe(false);
    host.script.alive.add("one");
    const deps = await nextDaemon(host);
    expect(await host.snapshots()).toEqual([]);
    expect(guestOf(host, "one")).toEqual({ runs: true, memory: "then" });
    expect((await snapshot(deps)).manifest.memoryKept).toBe(true);
  });

  test("keeps the images its children need", async () => {
    await using host = await lifeHost();
    await parent(host);
    const { manifest } = await snapshot(host.deps);
    await deleteVm(host.deps, "one", 1);
    const old = "9".repeat(64);
    const path = join(host.dataDir, "snapshots/snap_a/manifest.json");
    await writeFile(path, JSON.stringify({ ...manifest, images: { ...manifest.images, kernel: old } }));
    for (const name of [old, "8".repeat(64)]) await writeFile(join(host.dataDir, "images", name), "");
    await nextDaemon(host);
    expect(existsSync(join(host.dataDir, "images", old))).toBe(true);
    expect(await readdir(join(host.dataDir, "images"))).not.toContain("8".repeat(64));
  });

  test("is deleted only when no start uses it any more", async () => {
    await using host = await lifeHost();
    await parent(host);
    await snapshot(host.deps);
    const copying = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    host.script.copy = () => {
      copying.resolve();
      return go.promise;
    };
    const child = startVm(host.deps, startOf("two", { snapshotId: "snap_a" }));
    await copying.promise;
    const deleted = host.deps.snapshots.delete("snap_a");
    expect((await failureOf(startVm(host.deps, startOf("three", { snapshotId: "snap_a" })))).reason).toBe(
      "SNAPSHOT_NOT_FOUND",
    );
    go.resolve();
    expect((await child).state).toBe("running");
    await deleted;
    expect(await host.snapshots()).toEqual([]);
  });
});

describe("a roll back", () => {
  test("puts memory and disk back, under the same id and the next epoch", async () => {
    await using host = await lifeHost();
    await parent(host);
    await snapshot(host.deps);
    guestOf(host, "one").memory = "now";
    await host.writeDisk("one", "now!");
    const { live } = host.deps.registry.get("one") ?? {};
    expect(await rollBack(host.deps, 2)).toMatchObject({ state: "running", epoch: 2 });
    expect(live?.ended.signal.aborted).toBe(true);
    expect(guestOf(host, "one")).toEqual({ runs: true, memory: "then" });
    expect(await host.diskEnd("one", 4)).toBe("then");
    expect(await host.filesOf("one")).toEqual(["root.ext4", "vm.json"]);
    expect(await rollBack(host.deps, 2)).toMatchObject({ state: "running", epoch: 2 });
    expect(host.script.restores).toHaveLength(1);
    await pauseVm(host.deps, "one", 2);
    expect((await failureOf(rollBack(host.deps, 2))).reason).toBe("SANDBOX_NOT_RUNNING");
    await rollBack(host.deps, 3); // of a paused one
    expect(guestOf(host, "one").memory).toBe("then");
  });

  test("to a snapshot that is not here leaves the VM as it is", async () => {
    await using host = await lifeHost();
    await parent(host);
    expect((await failureOf(rollBack(host.deps, 2))).reason).toBe("SNAPSHOT_NOT_FOUND");
    expect(host.deps.registry.get("one")?.record).toMatchObject({ state: "running", epoch: 1 });
  });

  test("on a full disk leaves the VM as it is", async () => {
    await using host = await lifeHost();
    await parent(host);
    await snapshot(host.deps);
    host.script.copy = () => Promise.reject(Object.assign(new Error("write"), { code: "ENOSPC" }));
    expect((await failureOf(rollBack(host.deps, 2))).reason).toBe("HOST_NO_SPACE");
    expect(host.deps.registry.get("one")?.record).toMatchObject({ state: "running", epoch: 1 });
    expect(await host.filesOf("one")).toEqual(["root.ext4", "vm.json"]);
  });

  test("that can't be run stays at the snapshot, and its repeat runs it", async () => {
    await using host = await lifeHost();
    await parent(host);
    await snapshot(host.deps);
    host.script.step = async (at) => {
      if (at === "restore") throw new Error("no");
    };
    expect((await failureOf(rollBack(host.deps, 2))).reason).toBe("RESTORE_FAILED");
    expect(host.deps.registry.get("one")?.record).toMatchObject({ state: "paused", epoch: 2, memory: {} });
    host.script.step = async () => undefined;
    expect(await rollBack(host.deps, 2)).toMatchObject({ state: "running", epoch: 2 });
    expect(guestOf(host, "one").memory).toBe("then");
  });

  /** What is still in `rollback/` when the daemon ended. */
  test.each([
    ["nothing was in its place", ["memory", "root.ext4"]],
    ["memory was in its place", ["root.ext4"]],
    ["all was in its place", []],
  ])("is finished by the next daemon where the first ended when %s", async (_, left) => {
    await using host = await lifeHost();
    await parent(host);
    await snapshot(host.deps);
    const { registry, store } = host.deps;
    const entry = registry.get("one") ?? expect.fail();
    const vm = join(host.dataDir, "vms/one");
    const { files } = host.deps;
    await host.writeDisk("one", "now!");
    await mkdir(store.rollBackOf("one"));
    const memory = left.includes("memory") ? store.rollBackOf("one") : vm;
    await mkdir(join(memory, "memory"));
    await writeFile(join(memory, "memory/memory"), "then");
    if (memory !== vm) await mkdir(join(vm, "memory")); // of before
    const root = left.includes("root.ext4") ? store.rollBackOf("one") : vm;
    await files.copyDisk(join(host.dataDir, "snapshots/snap_a/root.ext4"), join(root, "root.ext4"), signal);
    const condition = { snapshotId: "snap_a", memory: true, applied: false };
    await registry.move(entry, { state: "paused", rollBack: condition }, { epoch: 2 });

    const deps = await nextDaemon(host);
    expect(deps.registry.get("one")?.record).toMatchObject({ state: "paused", epoch: 2, rollBack: { applied: true } });
    expect(await host.diskEnd("one", 4)).toBe("then");
    await rollBack(deps, 2);
    expect(guestOf(host, "one").memory).toBe("then");
    expect(await host.filesOf("one")).toEqual(["root.ext4", "vm.json"]);
  });

  test("that did not come to its record is forgotten by the next daemon", async () => {
    await using host = await lifeHost();
    await parent(host);
    await mkdir(join(host.dataDir, "vms/one/rollback"));
    await mkdir(join(host.dataDir, "vms/one/rollback.draft"));
    host.script.alive.add("one");
    const deps = await nextDaemon(host);
    expect(deps.registry.get("one")?.record.state).toBe("running");
    expect(await host.filesOf("one")).toEqual(["root.ext4", "vm.json"]);
  });
});
