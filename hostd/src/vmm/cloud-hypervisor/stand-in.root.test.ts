/** What only the stand-in can be made to do: other versions, a VMM that was taken over, a guest that crashes. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { killProcess, type ProcessId, processesOfUid } from "../../host/process-table.ts";
import { ping, pingUntilAnswered } from "../testing/guest-call.ts";
import type { Vm, VmConfig } from "../vmm.ts";
import { chPathsOf } from "./paths.ts";
import { snapshotFilesOf } from "./snapshot-files.ts";
import { makeChHarness } from "./testing/harness.ts";
import { memoryMark } from "./testing/memory-mark.ts";
import { standIn } from "./testing/stand-in-subject.ts";

const options = () => ({ signal: AbortSignal.timeout(30_000) });

/** One for the tests that need nothing special of it. */
const common = makeChHarness(standIn());
afterAll(async () => (await common)[Symbol.asyncDispose]());

/** A driver, and the ways to VMs and snapshots by it; all of it ends with the test. */
async function fixture(settings?: Parameters<typeof standIn>[0]) {
  const harness = await (settings === undefined ? common : makeChHarness(standIn(settings)));
  const vmm = harness.createVmm();
  onTestFinished(async () => {
    vmm.close();
    if (settings !== undefined) {
      await harness[Symbol.asyncDispose]();
    }
  });
  const keep = (vm: Vm) => {
    onTestFinished(() => vm.kill());
    return vm;
  };
  return {
    ...{ harness, vmm },
    boot: async (change: Partial<VmConfig> = {}) =>
      keep(await vmm.boot({ ...(await harness.makeConfig()), ...change }, options())),
    restore: async (dir: string) => keep(await vmm.restore(await harness.makeConfig(), dir, options())),
    snapshot: async (vm: Vm) => {
      const dir = await mkdtemp(join(harness.scratch, "snapshot-"));
      await vm.pause(options());
      await vm.snapshot(dir, options());
      return dir;
    },
    pathsOf: (vm: Vm) => chPathsOf(vm.handle.config, harness.config.stateDir),
  };
}

const agentOf = (vm: Vm) => processesOfUid(vm.handle.config.uid).find(({ name }) => name === "invm") as ProcessId;

describe("a fork", () => {
  test("maps the snapshot's memory itself, which nobody can change and which stays as long as it lives", async () => {
    const { boot, restore, snapshot, pathsOf } = await fixture();
    const dir = await snapshot(await boot());
    const { memory } = snapshotFilesOf(dir);
    const original = await stat(memory);
    expect([original.uid, original.mode & 0o222]).toEqual([0, 0]);
    expect((await stat(dir)).mode & 0o077).toBe(0);

    const children = [await restore(dir), await restore(dir)];
    for (const child of children) {
      expect((await stat(pathsOf(child).memory)).ino).toBe(original.ino);
      // It lies where this VM's group alone comes through.
      const folder = await stat(pathsOf(child).state);
      expect([folder.uid, folder.gid, folder.mode & 0o777]).toEqual([0, child.handle.config.gid, 0o710]);
    }
    await rm(dir, { recursive: true });
    const [first] = children as [Vm, Vm];
    const again = await snapshot(first);
    expect(await memoryMark(again)).toBe(await memoryMark(await snapshot(await restore(again))));
  });

  test.each([
    ["v53.0", false, undefined, "cow-zone"],
    ["v54.0", false, undefined, "cow-zone"],
    ["v54.0", true, undefined, "CopyOnWrite"],
    ["v53.0", false, "copy", "copy"],
  ] as const)(
    "of %s (copy-on-write known: %s, wanted: %s) is by %s",
    async (version, copyOnWrite, wanted, strategy) => {
      const { boot, restore, snapshot, pathsOf, vmm } = await fixture({
        ...{ version, copyOnWrite },
        ...(wanted === undefined ? {} : { restoreStrategy: wanted }),
      });
      expect(vmm.capabilities.copyOnWriteRestore).toBe(strategy !== "copy");
      const parent = await boot();
      const dir = await snapshot(parent);
      const content = JSON.parse(await readFile(snapshotFilesOf(dir).manifest, "utf8")).content;
      expect(content.zone).toBe(strategy === "cow-zone");
      const child = await restore(dir);
      await pingUntilAnswered(child.vsockPath, options().signal);
      expect(await memoryMark(await snapshot(child))).toBe(await memoryMark(dir));
      const inClone = await readdir(pathsOf(child).clone);
      expect(inClone.includes("memory-ranges")).toBe(strategy !== "cow-zone");
    },
  );
});

describe("a snapshot", () => {
  test("is refused by another version, another processor, and where it was changed or is not whole", async () => {
    const { boot, restore, snapshot } = await fixture();
    const dir = await snapshot(await boot());
    const files = snapshotFilesOf(dir);
    const whole = await readFile(files.manifest, "utf8");
    const manifest = JSON.parse(whole);
    for (const [change, why] of [
      [{ version: "v52.0" }, /version is "v52.0", this VM has "v53.0"/],
      [{ cpu: "GenuineIntel/6" }, /cpu is "GenuineIntel\/6"/],
      [{ driver: "qemu" }, /driver is "qemu"/],
      [{ content: { ...manifest.content, memoryBytes: 1 } }, /another size/],
      [{ content: { ...manifest.content, sha256: { config: "", state: "" } } }, /not what was written/],
    ] as const) {
      await writeFile(files.manifest, JSON.stringify({ ...manifest, ...change }));
      await expect(restore(dir)).rejects.toThrow(why);
    }
    await rm(files.manifest);
    await expect(restore(dir)).rejects.toThrow(/manifest.json/);
    await writeFile(files.manifest, whole);
    await restore(dir);
  });

  test("ends open connections in order, and the VM stays paused", async () => {
    const { boot, snapshot } = await fixture();
    const vm = await boot();
    await pingUntilAnswered(vm.vsockPath, options().signal);
    const open = connect(vm.vsockPath, () => open.write("CONNECT 18047\n"));
    const opened = new Promise<void>((resolve) => open.once("data", () => resolve()));
    const ended = new Promise<void>((resolve) => open.once("end", () => resolve()));
    open.on("error", () => {});
    await opened;
    await snapshot(vm);
    await ended;
    await expect(ping(vm.vsockPath, AbortSignal.timeout(200))).rejects.toThrow();
    await vm.resume(options());
    await ping(vm.vsockPath, options().signal);
  });

  test.each([
    [{ linksMemoryTo: "/etc/shadow" }, /memory-ranges: is not the file that a VMM writes/],
    [{ configBytes: 2 ** 40 }, /config.json: is not the file that a VMM writes/],
  ])("of a VMM that was taken over (%j) is none, and leaves nothing", async (settings, why) => {
    const { boot, harness } = await fixture(settings);
    const vm = await boot();
    const dir = join(harness.scratch, "linked");
    await mkdir(dir);
    await vm.pause(options());
    await expect(vm.snapshot(dir, options())).rejects.toThrow(why);
    expect(await readdir(dir)).toEqual([]);
    await vm.resume(options());
    await pingUntilAnswered(vm.vsockPath, options().signal);
  });
});

describe("a guest", () => {
  test("whose kernel panics has died, and its console tells why", async () => {
    const { boot, harness } = await fixture();
    const vm = await boot();
    await pingUntilAnswered(vm.vsockPath, options().signal);
    killProcess(agentOf(vm), "SIGKILL");
    const exit = await vm.exited;
    expect(exit).toMatchObject({ kind: "died", detail: expect.stringMatching(/panicked\n[\s\S]*Kernel panic/) });
    expect(await harness.leftovers(vm.handle.config)).toEqual([]);
  });

  test("that crashed while nobody looked is not taken over, though its VMM lives", async () => {
    const { harness, vmm } = await fixture();
    const first = harness.createVmm();
    const vm = await first.boot(await harness.makeConfig(), options());
    first.close();
    killProcess(agentOf(vm), "SIGKILL");
    const events = chPathsOf(vm.handle.config, harness.config.stateDir).events;
    await expect.poll(() => readFile(events, "utf8")).toContain("rebooting");
    expect(await vmm.adopt(vm.handle, options())).toBeUndefined();
    expect(await harness.leftovers(vm.handle.config)).toEqual([]);
  });

  test("that is not up yet is waited for by the front, not by who calls", async () => {
    const { boot } = await fixture();
    const vm = await boot({ cmdline: ["standin.activate_ms=600"] });
    await ping(vm.vsockPath, options().signal);
  });

  test("is not reached by a link that a VMM puts in the place of its vsock", async () => {
    const { boot, pathsOf } = await fixture();
    const vm = await boot();
    await pingUntilAnswered(vm.vsockPath, options().signal);
    const { vsockDevice } = pathsOf(vm);
    await rename(vsockDevice, `${vsockDevice}.kept`);
    await symlink(`${vsockDevice}.kept`, vsockDevice);
    await expect(ping(vm.vsockPath, options().signal)).rejects.toThrow();
  });
});

describe("a VMM", () => {
  test("runs as its VM's user, without capabilities, and can't change what is ours", async () => {
    const { boot, pathsOf } = await fixture();
    const vm = await boot();
    const { uid } = vm.handle.config;
    const status = await readFile(`/proc/${vm.handle.pid}/status`, "utf8");
    expect(status).toMatch(new RegExp(`^Uid:\t${uid}\t${uid}\t${uid}\t${uid}$`, "m"));
    expect(status).toMatch(/^CapBnd:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    const paths = pathsOf(vm);
    for (const path of [paths.log, paths.memory, paths.state, paths.vsock]) {
      expect([path, (await stat(path)).uid]).toEqual([path, 0]);
    }
    expect((await stat(paths.memory)).mode & 0o777).toBe(0o440);
  });

  test("of a version that the driver does not know is not used", async () => {
    const { vmm, boot } = await fixture({ version: "v52.0" });
    expect(await vmm.unavailable(options())).toMatch(/"cloud-hypervisor v52.0"; this driver knows/);
    await expect(boot()).rejects.toThrow(/"v52.0"/);
  });

  test("that may not open the device of KVM is not used, and the reason has the way out", async () => {
    const { harness, vmm } = await fixture({});
    await chmod(harness.config.devices?.kvm as string, 0o600);
    expect(await vmm.unavailable(options())).toMatch(/opens for root alone: groupadd -f kvm && chgrp kvm/);
  });

  test.each(["/vm.create", "/vm.boot"])("that seccomp ends at %s says so", async (diesAt) => {
    const { harness, vmm } = await fixture({ diesAt });
    const config = await harness.makeConfig();
    await expect(vmm.boot(config, options())).rejects.toThrow(
      /cloud-hypervisor ended by SIGSYS: [\s\S]*seccomp violation/,
    );
    expect(await harness.leftovers(config)).toEqual([]);
  });

  test("says the whole chain where it refuses a VM, and what it logged", async () => {
    const { harness, vmm } = await fixture();
    const config = await harness.makeConfig();
    const disk = { id: "root", path: await harness.makeDisk(config, "root"), readonly: false };
    // Of another user: what the VMM alone finds out.
    const other = { ...disk, path: await harness.makeDisk(await harness.makeConfig(), "root") };
    await expect(vmm.boot({ ...config, disks: [other] }, options())).rejects.toThrow(
      /vm t\d+: vm\.boot: 500: Error from API: .*Permission denied \(os error 13\)/,
    );
    await (await vmm.boot({ ...config, disks: [disk] }, options())).kill();
  });
});
