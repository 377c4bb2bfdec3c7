import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { adoptVms } from "./adopt-vms.ts";
import { deleteVm } from "./delete-vm.ts";
import { guestCmdline } from "./guest-cmdline.ts";
import { startVm } from "./start-vm.ts";
import { failureOf } from "./testing/failure-of.ts";
import { lifeHost, startOf } from "./testing/test-host.ts";
import { transitions } from "./vm-record.ts";

const signal = new AbortController().signal;
const never = ({ signal }: { signal: AbortSignal }) => sleep(60_000, undefined, { signal });

test("the table of states", () => {
  expect(transitions).toEqual({
    starting: ["running", "failed", "deleting"],
    running: ["pausing", "paused", "failed", "deleting"],
    pausing: ["running", "paused", "failed", "deleting"],
    paused: ["paused", "resuming", "deleting"],
    resuming: ["resuming", "running", "paused", "failed", "deleting"],
    failed: ["paused", "resuming", "deleting"],
    deleting: [],
  });
});

describe("a start", () => {
  test("gives each VM a disk of its own, a slot and a uid", async () => {
    await using host = await lifeHost();
    const [one, two] = await Promise.all([startVm(host.deps, startOf("one")), startVm(host.deps, startOf("two"))]);
    expect([one.state, two.state]).toEqual(["running", "running"]);
    expect([one.slot, two.slot].sort()).toEqual([0, 1]);
    expect(new Set(host.script.boots.map(({ uid }) => uid)).size).toBe(2);
    expect(await host.filesOf("one")).toEqual(["root.ext4", "vm.json"]);
    const config = host.script.boots[0];
    expect(config?.cmdline).toEqual(guestCmdline("ext4"));
    expect(config?.disks.map(({ id, readonly }) => [id, readonly])).toEqual([
      ["root", false],
      ["modules", true],
    ]);
  });

  test("grows the disk to what is asked for", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("one", { diskMib: 7 }));
    expect((await stat(join(host.dataDir, "vms/one/root.ext4"))).size).toBe(7 * 1024 * 1024);
  });

  test("is joined by a repeat, and answered again after it", async () => {
    await using host = await lifeHost();
    const records = await Promise.all([1, 2, 3].map(() => startVm(host.deps, startOf("one"))));
    records.push(await startVm(host.deps, startOf("one")));
    expect(new Set(records.map(({ slot }) => slot)).size).toBe(1);
    expect(host.script.boots).toHaveLength(1);
  });

  test("that fails takes everything back, and its repeat says the same", async () => {
    await using host = await lifeHost();
    host.script.boot = () => Promise.reject(new Error("no such machine"));
    for (const _try of [1, 2]) {
      const failure = await failureOf(startVm(host.deps, startOf("one")));
      expect([failure.reason, failure.options.metadata?.stage]).toEqual(["BOOT_FAILED", "vmm"]);
      expect(failure.message).not.toContain("no such machine");
    }
    expect(host.script.boots).toHaveLength(1);
    expect(await host.filesOf("one")).toEqual(["vm.json"]);
    expect((await host.left()).runDirs).toEqual([]);
    await deleteVm(host.deps, "one", 1);
    expect(await host.left()).toEqual({ vms: [], runDirs: [] });
  });

  test("that fails beside the copy of its disk leaves no disk behind", async () => {
    await using host = await lifeHost();
    host.script.copy = () => sleep(100);
    await rm(join(host.dataDir, "../run/vm"), { recursive: true }); // no run directory can be made
    expect((await failureOf(startVm(host.deps, startOf("one")))).reason).toBe("BOOT_FAILED");
    await sleep(200); // longer than the copy takes
    expect(await host.filesOf("one")).toEqual(["vm.json"]);
  });

  test("that takes too long fails", async () => {
    await using host = await lifeHost();
    host.script.boot = never;
    const deps = { ...host.deps, limits: { ...host.deps.limits, bootMs: 50 } };
    expect((await failureOf(startVm(deps, startOf("one")))).reason).toBe("BOOT_FAILED");
  });

  test.each([
    ["more memory than there is", { memoryMib: 4096 }, "NO_CAPACITY"],
    ["more vCPUs than there are", { vcpus: 9 }, "NO_CAPACITY"],
    ["a template that is not here", { template: "other" }, "TEMPLATE_NOT_FOUND"],
  ])("with %s is refused, and nothing is written", async (_, more, reason) => {
    await using host = await lifeHost();
    expect((await failureOf(startVm(host.deps, startOf("one", more)))).reason).toBe(reason);
    expect((await host.left()).vms).toEqual([]);
  });

  test("does not give the same memory twice, and gives it again after a delete", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("one", { memoryMib: 1024 }));
    const big = startOf("two", { memoryMib: 1024 });
    expect((await failureOf(startVm(host.deps, big))).reason).toBe("NO_CAPACITY");
    await deleteVm(host.deps, "one", 1);
    expect((await startVm(host.deps, big)).state).toBe("running");
  });

  test("of an epoch that is over is refused; of a later one only after the delete", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("one", { epoch: 5 }));
    expect((await failureOf(startVm(host.deps, startOf("one", { epoch: 4 })))).reason).toBe("SANDBOX_NOT_RUNNING");
    expect((await failureOf(startVm(host.deps, startOf("one", { epoch: 6 })))).reason).toBe("SANDBOX_STATE_CONFLICT");
    await deleteVm(host.deps, "one", 5);
    expect((await failureOf(startVm(host.deps, startOf("one", { epoch: 5 })))).reason).toBe("SANDBOX_NOT_RUNNING");
    expect((await startVm(host.deps, startOf("one", { epoch: 6 }))).epoch).toBe(6);
  });
});

describe("a delete", () => {
  test("is right for a sandbox that was never here, and keeps a late start out, also after a restart", async () => {
    await using host = await lifeHost();
    await deleteVm(host.deps, "ghost", 3);
    const deps = await host.restart();
    await adoptVms(deps, { signal });
    expect((await failureOf(startVm(deps, startOf("ghost", { epoch: 3 })))).reason).toBe("SANDBOX_NOT_RUNNING");
  });

  test("ends a start that is under way", async () => {
    await using host = await lifeHost();
    host.script.boot = never;
    const start = failureOf(startVm(host.deps, startOf("one")));
    await expect.poll(() => host.script.boots.length).toBe(1);
    await Promise.all([deleteVm(host.deps, "one", 1), deleteVm(host.deps, "one", 1)]);
    expect((await start).reason).toBe("SANDBOX_STATE_CONFLICT");
    expect(await host.left()).toEqual({ vms: [], runDirs: [] });
  });

  test("of an older epoch leaves the VM alone", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("one", { epoch: 2 }));
    expect((await failureOf(deleteVm(host.deps, "one", 1))).reason).toBe("SANDBOX_NOT_RUNNING");
    expect(host.deps.registry.get("one")?.record.state).toBe("running");
  });
});

describe("a VM that ends by itself", () => {
  test("has the guest's words logged for debugging alone", async () => {
    await using host = await lifeHost();
    const lines: [string, string][] = [];
    const logAs = (level: string) => (event: string, facts?: object) =>
      void lines.push([level, JSON.stringify({ event, ...facts })]);
    const levels = { error: logAs("error"), warn: logAs("warn"), info: logAs("info"), debug: logAs("debug") };
    const log = { ...levels, child: () => log };
    await startVm({ ...host.deps, log }, startOf("one"));
    host.script.die("one");
    await expect.poll(() => lines.some(([, line]) => line.includes("vm.died.detail"))).toBe(true);
    expect(lines.filter(([, line]) => line.includes("the guest's words")).map(([level]) => level)).toEqual(["debug"]);
    expect(lines).toContainEqual(["warn", expect.stringMatching(/"vm.died".*"kind":"died"/)]);
  });

  test("is failed, is told, and keeps its disk until the delete", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("one"));
    const controller = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const event of host.deps.registry.watch({ signal: controller.signal, idleMs: 5_000 })) {
        seen.push(event.t === "vm" ? `${event.record.state}${event.gone ? " gone" : ""}` : event.t);
      }
    })();
    host.script.die("one");
    await expect.poll(() => seen).toEqual(["running", "synced", "failed"]);
    expect(await host.filesOf("one")).toEqual(["root.ext4", "vm.json"]);
    await expect.poll(async () => (await host.left()).runDirs).toEqual([]);
    await deleteVm(host.deps, "one", 1);
    await expect.poll(() => seen.at(-1)).toBe("deleting gone");
    controller.abort();
    await watching;
  });
});

describe("a daemon that starts anew", () => {
  test("adopts what runs, and fails what does not", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("alive"));
    await startVm(host.deps, startOf("dead"));
    host.script.alive.add("alive");
    const deps = await host.restart();
    expect(await adoptVms(deps, { signal })).toMatchObject({ adopted: 1, died: 1 });
    expect(deps.registry.get("alive")?.live).toBeDefined();
    expect(deps.registry.get("dead")?.record).toMatchObject({ state: "failed", failure: { reason: "VM_DIED" } });
    expect(await host.filesOf("dead")).toEqual(["root.ext4", "vm.json"]);
    const third = await startVm(deps, startOf("third"));
    expect(third.slot).toBe(2); // no slot of another's
  });

  test("sweeps a start that was under way, and finishes a delete", async () => {
    await using host = await lifeHost();
    host.script.boot = never;
    void startVm(host.deps, startOf("starting")).catch(() => undefined);
    await expect.poll(() => host.script.boots.length).toBe(1);
    host.script.boot = async () => undefined;
    await startVm(host.deps, startOf("buried"));
    await host.deps.store.bury("buried", 1); // a crash came right after

    const deps = await host.restart();
    expect(await adoptVms(deps, { signal })).toMatchObject({ finished: 2 });
    expect(deps.registry.get("starting")?.record).toMatchObject({
      state: "failed",
      failure: { reason: "BOOT_FAILED", metadata: { stage: "daemon" } },
    });
    expect(await host.left()).toEqual({ vms: ["starting"], runDirs: [] });
    expect(await host.filesOf("starting")).toEqual(["vm.json"]);
  });

  test("comes up beside what it can't sweep, gives its slot to nobody, and deletes it later", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("stuck"));
    await startVm(host.deps, startOf("deleted"));
    await host.deps.store.bury("deleted", 1);
    await startVm(host.deps, startOf("alive"));
    host.script.alive.add("alive");
    host.script.sweep = () => Promise.reject(new Error("a process that can't be killed"));

    const deps = await host.restart();
    expect(await adoptVms(deps, { signal })).toMatchObject({ adopted: 1, unswept: 2 });
    expect(deps.registry.get("stuck")?.record).toMatchObject({ state: "failed", failure: { reason: "VM_DIED" } });
    expect([...deps.registry.withheld()].sort()).toEqual([0, 1]);
    expect((await startVm(deps, startOf("next"))).slot).toBe(3);
    host.script.sweep = async () => undefined;
    await Promise.all([deleteVm(deps, "stuck", 1), deleteVm(deps, "deleted", 1)]);
    expect((await host.left()).vms.sort()).toEqual(["alive", "next"]);
  });

  test("leaves a record that it can't read alone, and says so", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("one"));
    const path = join(host.dataDir, "vms/one/vm.json");
    await writeFile(path, (await readFile(path, "utf8")).slice(0, 50));
    const deps = await host.restart();
    expect(await adoptVms(deps, { signal })).toMatchObject({ unreadable: 1 });
    expect(await host.filesOf("one")).toEqual(["root.ext4", "vm.json"]);
    if (process.geteuid?.() === 0) expect((await startVm(deps, startOf("two"))).slot).toBe(1);
  });
});
