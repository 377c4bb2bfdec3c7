/** A VM on its way from one host to another, with what a crash at each point leaves. `docs/hostd-life.md` has the table. */
import { chmod, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { adoptVms } from "./adopt-vms.ts";
import { deleteVm } from "./delete-vm.ts";
import { exportVm } from "./export-vm.ts";
import { importVm } from "./import-vm.ts";
import { LifeKeeper } from "./life-keeper.ts";
import { pauseVm } from "./pause-vm.ts";
import { resumeVm } from "./resume-vm.ts";
import { rollBackVm } from "./roll-back-vm.ts";
import { sealVm, unsealVm } from "./seal-vm.ts";
import { setVmLifecycle } from "./set-vm-lifecycle.ts";
import { startVm } from "./start-vm.ts";
import { stopVm } from "./stop-vm.ts";
import { failureOf } from "./testing/failure-of.ts";
import { lifeHost, startOf } from "./testing/test-host.ts";
import type { VmDeps } from "./vm-deps.ts";
import { wakeVm } from "./wake-vm.ts";

const { signal } = new AbortController();
const mib = 1024 * 1024;
type Host = Awaited<ReturnType<typeof lifeHost>>;

const resume = (deps: VmDeps, epoch: number) => resumeVm(deps, { sandboxId: "one", epoch, requestId: "" });
const lifecycle = { version: 1, deleteAtEnd: false, autoResume: true };

/** A VM at epoch 1, paused with something in memory and on disk. */
async function paused({ deps, script, ...host }: Host, diskMib = 0) {
  await startVm(deps, startOf("one", { env: { A: "1" }, lifecycle, diskMib }));
  guestOf(script).memory = "notes";
  await host.writeDisk("one", "words");
  await pauseVm(deps, "one", 1);
}

async function sealed(host: Host, diskMib = 0) {
  await paused(host, diskMib);
  await sealVm(host.deps, "one", 1);
}

function guestOf({ guests }: Host["script"]) {
  return guests.get("one") ?? expect.fail("there is no guest");
}

const entryOf = (deps: VmDeps) => deps.registry.get("one") ?? expect.fail("it is not there");
const packed = async (deps: VmDeps, epoch = 1) =>
  (await exportVm(deps, { sandboxId: "one", epoch }, { signal })).output;
const take = (deps: VmDeps, body: AsyncIterable<Uint8Array>, epoch = 2) =>
  importVm(deps, { sandboxId: "one", epoch }, body, { signal });

async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of body) parts.push(piece);
  return Buffer.concat(parts);
}

async function* piecesOf(...parts: (Uint8Array | Error)[]) {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield part;
  }
}

async function nextDaemon(host: Host): Promise<VmDeps> {
  const deps = await host.restart();
  await adoptVms(deps, { signal });
  return deps;
}

const left = async (host: Host) => ({
  ...{ vms: (await host.left()).vms, moves: await readdir(join(host.dataDir, "moves")) },
});

describe("a sealed VM", () => {
  test("is woken by nobody, and goes on where it is unsealed", async () => {
    await using host = await lifeHost();
    const { deps } = host;
    await sealed(host);
    expect(entryOf(deps).record).toMatchObject({ state: "paused", sealed: true, memory: {} });
    expect(await sealVm(deps, "one", 1)).toBe(entryOf(deps).record);
    expect((await failureOf(resume(deps, 2))).reason).toBe("SANDBOX_STATE_CONFLICT");
    expect((await failureOf(wakeVm(deps, entryOf(deps)))).reason).toBe("SANDBOX_STATE_CONFLICT");
    const back = rollBackVm(deps, { sandboxId: "one", epoch: 2, snapshotId: "snap_a", requestId: "" });
    expect((await failureOf(back)).reason).toBe("SANDBOX_STATE_CONFLICT");
    await stopVm(deps, { sandboxId: "one", epoch: 1 });
    await setVmLifecycle(deps, "one", 1, { ...lifecycle, version: 2, endTime: 1 });
    await new LifeKeeper(deps).look();
    expect(entryOf(deps).record).toMatchObject({ state: "paused", sealed: true, epoch: 1, memory: {} });

    await unsealVm(deps, "one", 1);
    await unsealVm(deps, "one", 1);
    await resume(deps, 2);
    expect(guestOf(host.script)).toEqual({ runs: true, memory: "notes" });
  });

  test("lets calls wait, which are served when it is unsealed", async () => {
    await using host = await lifeHost();
    await sealed(host);
    const entry = entryOf(host.deps);
    const options = { brief: true, whenPaused: () => wakeVm(host.deps, entry) };
    let served = false;
    const call = entry.use(signal, options).then((use) => {
      served = true;
      use[Symbol.dispose]();
    });
    await new Promise(setImmediate);
    expect(served).toBe(false);
    await unsealVm(host.deps, "one", 1);
    await call;
    expect(guestOf(host.script).runs).toBe(true);
  });

  test("ends them where it has left, so that another try finds it", async () => {
    await using host = await lifeHost();
    await sealed(host);
    const call = failureOf(entryOf(host.deps).use(signal, { brief: true }));
    await deleteVm(host.deps, "one", 1);
    expect(await call).toMatchObject({ reason: "HOST_UNAVAILABLE", options: { metadata: { state: "moved" } } });
  });

  test("is sealed for the next daemon", async () => {
    await using host = await lifeHost();
    await sealed(host);
    const deps = await nextDaemon(host);
    expect(entryOf(deps).record).toMatchObject({ state: "paused", sealed: true, epoch: 1, memory: {} });
    expect((await failureOf(resume(deps, 2))).reason).toBe("SANDBOX_STATE_CONFLICT");
  });

  test("must be paused, at just this epoch", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("one"));
    expect((await failureOf(sealVm(host.deps, "one", 1))).reason).toBe("SANDBOX_NOT_RUNNING");
    await pauseVm(host.deps, "one", 1);
    for (const change of [sealVm, unsealVm]) {
      expect((await failureOf(change(host.deps, "one", 2))).reason).toBe("SANDBOX_NOT_RUNNING");
      expect((await failureOf(change(host.deps, "two", 1))).reason).toBe("SANDBOX_NOT_FOUND");
    }
    expect((await failureOf(packed(host.deps))).reason).toBe("SANDBOX_NOT_RUNNING");
  });

  test("may be one that failed, with its disk, and none that never ran", async () => {
    await using host = await lifeHost();
    await startVm(host.deps, startOf("one"));
    host.script.die("one");
    await expect.poll(() => entryOf(host.deps).record.state).toBe("failed");
    expect(await sealVm(host.deps, "one", 1)).toMatchObject({ state: "paused", sealed: true });
    host.script.boot = () => Promise.reject(new Error("no"));
    await failureOf(startVm(host.deps, startOf("two")));
    expect((await failureOf(sealVm(host.deps, "two", 1))).reason).toBe("BOOT_FAILED");
  });

  test("keeps no memory that does not fit its disk", async () => {
    await using host = await lifeHost();
    await paused(host);
    await host.writeDisk("one", "other");
    expect(await sealVm(host.deps, "one", 1)).not.toHaveProperty("memory");
    expect(await host.filesOf("one")).toEqual(["root.ext4", "vm.json"]);
  });
});

describe("a move", () => {
  test("brings disk, memory and record, and nothing is left where it came from", async () => {
    await using from = await lifeHost();
    await using to = await lifeHost();
    await startVm(to.deps, startOf("other")); // so that its slot is another one
    await sealed(from, 64);
    await chmod(join(from.dataDir, "vms/one/memory/memory"), 0o444); // as a driver has it whose VMs map it
    await take(to.deps, await packed(from.deps));
    const { record } = entryOf(to.deps);
    expect(record).toMatchObject({
      ...{ state: "paused", sealed: true, epoch: 2, wakes: 0, slot: 1, template: "base", diskMib: 64 },
      ...{ env: { A: "1" }, lifecycle, memory: { sizeBytes: 64 * mib } },
    });
    expect(await to.filesOf("one")).toEqual(["memory", "root.ext4", "vm.json"]);
    expect(await to.diskEnd("one", 5)).toBe("words");
    expect((await stat(join(to.dataDir, "vms/one/memory/memory"))).mode & 0o7777).toBe(0o444);
    const [source, target] = await Promise.all([from, to].map((host) => stat(join(host.dataDir, "vms/one/root.ext4"))));
    expect(target?.size).toBe(64 * mib);
    expect(Math.abs((target?.blocks ?? 0) - (source?.blocks ?? 0))).toBeLessThan(64); // of 512 bytes each
    expect((await failureOf(resume(to.deps, 3))).reason).toBe("SANDBOX_STATE_CONFLICT");

    await unsealVm(to.deps, "one", 2);
    await deleteVm(from.deps, "one", 1);
    await resume(to.deps, 3);
    expect(guestOf(to.script)).toEqual({ runs: true, memory: "notes" });
    expect(to.script.boots.map(({ id }) => id)).toEqual(["other"]);
    expect(await left(from)).toEqual({ vms: [], moves: [] });
    expect((await left(to)).moves).toEqual([]);
  });

  test("brings the disk alone where there is no memory, and what is left of its time", async () => {
    await using from = await lifeHost();
    await using to = await lifeHost();
    let now = 1_000_000;
    for (const { script } of [from, to]) script.time = () => now;
    await startVm(from.deps, startOf("one", { lifecycle: { ...lifecycle, endTime: now + 60_000 } }));
    now += 10_000;
    await stopVm(from.deps, { sandboxId: "one", epoch: 1 });
    await sealVm(from.deps, "one", 1);
    now += 3_600_000;
    await take(to.deps, await packed(from.deps));
    expect(entryOf(to.deps).record).not.toHaveProperty("memory");
    await unsealVm(to.deps, "one", 2);
    expect(await resume(to.deps, 3)).toMatchObject({ lifecycle: { endTime: now + 50_000 } });
    expect(to.script.boots).toHaveLength(1);
  });

  test("is one, however often it is asked for, and at once", async () => {
    await using from = await lifeHost();
    await using to = await lifeHost();
    await sealed(from);
    const whole = await bytesOf(await packed(from.deps));
    await Promise.all([take(to.deps, piecesOf(whole)), take(to.deps, piecesOf(whole))]);
    await take(to.deps, piecesOf(new Error("nobody reads it"))); // also after it is whole
    await unsealVm(to.deps, "one", 2);
    await take(to.deps, piecesOf());
    expect(entryOf(to.deps).record).not.toHaveProperty("sealed");
    expect(await left(to)).toEqual({ vms: ["one"], moves: [] });
  });

  test("whose first try breaks is brought by the one that waited for it", async () => {
    await using from = await lifeHost();
    await using to = await lifeHost();
    await sealed(from);
    const whole = await bytesOf(await packed(from.deps));
    const broken = failureOrError(take(to.deps, piecesOf(whole.subarray(0, 5_000), new Error("the line broke"))));
    await take(to.deps, piecesOf(whole));
    expect((await broken).message).toBe("the line broke");
    expect(await to.diskEnd("one", 5)).toBe("words");
  });

  test("to an epoch that is over, or beside another one, is refused", async () => {
    await using from = await lifeHost();
    await using to = await lifeHost();
    await sealed(from);
    const whole = await bytesOf(await packed(from.deps));
    await deleteVm(to.deps, "one", 2);
    expect((await failureOf(take(to.deps, piecesOf(whole)))).reason).toBe("SANDBOX_NOT_RUNNING");
    expect((await failureOf(take(from.deps, piecesOf(whole)))).reason).toBe("SANDBOX_STATE_CONFLICT");
    await take(to.deps, piecesOf(whole), 3);
    expect((await failureOf(take(to.deps, piecesOf(whole), 2))).reason).toBe("SANDBOX_NOT_RUNNING");
    expect(entryOf(to.deps).record.epoch).toBe(3);
    await using third = await lifeHost();
    expect((await failureOf(take(third.deps, piecesOf(whole), 1))).reason).toBe("SANDBOX_NOT_RUNNING");
    expect(await left(third)).toEqual({ vms: [], moves: [] });
  });

  test("goes there and back", async () => {
    await using from = await lifeHost();
    await using to = await lifeHost();
    await sealed(from);
    await take(to.deps, await packed(from.deps));
    await deleteVm(from.deps, "one", 1);
    await take(from.deps, await packed(to.deps, 2), 3);
    expect(await from.diskEnd("one", 5)).toBe("words");
    await unsealVm(from.deps, "one", 3);
    await resume(from.deps, 4);
    expect(guestOf(from.script)).toEqual({ runs: true, memory: "notes" });
  });

  test("to a host without its images is refused with the template's name", async () => {
    await using from = await lifeHost();
    await using to = await lifeHost();
    await sealed(from);
    const whole = await bytesOf(await packed(from.deps));
    const { root } = entryOf(from.deps).record.images;
    const other = Buffer.from(whole.toString("latin1").replaceAll(root, "9".repeat(64)), "latin1");
    expect(await failureOf(take(to.deps, piecesOf(other)))).toMatchObject({
      reason: "TEMPLATE_NOT_FOUND",
      options: { metadata: { template: "base", image: `sha256:${"9".repeat(64)}` } },
    });
    expect(await left(to)).toEqual({ vms: [], moves: [] });
  });

  test("ends with a delete at either end, and leaves nothing", async () => {
    await using from = await lifeHost();
    await using to = await lifeHost();
    await sealed(from, 64);
    const reached = Promise.withResolvers<void>();
    const source = await packed(from.deps);
    const never = new Promise<never>(() => undefined);
    const arriving = failureOf(
      take(
        to.deps,
        (async function* () {
          for await (const piece of source) {
            yield piece;
            reached.resolve();
            await never;
          }
        })(),
      ),
    );
    await reached.promise;
    await deleteVm(to.deps, "one", 2);
    expect((await arriving).reason).toBe("SANDBOX_STATE_CONFLICT");
    expect(await left(to)).toEqual({ vms: [], moves: [] });
    await deleteVm(from.deps, "one", 1);
    expect(await left(from)).toEqual({ vms: [], moves: [] });
  });

  test("is broken off by the daemon that unseals it: what was read is no whole copy", async () => {
    await using host = await lifeHost();
    await sealed(host, 64);
    // Not empty, so that the pipe can't hold all of it.
    await writeFile(join(host.dataDir, "vms/one/root.ext4"), Buffer.alloc(64 * mib, 1), { flag: "r+" });
    const reading = (await packed(host.deps))[Symbol.asyncIterator]();
    await reading.next();
    await unsealVm(host.deps, "one", 1);
    const rest = (async () => {
      for (let piece = await reading.next(); !piece.done; piece = await reading.next());
    })();
    expect((await failureOf(rest)).reason).toBe("SANDBOX_STATE_CONFLICT");
    await resume(host.deps, 2);
  });

  test.each(["vm.json was there", "all but its place was there"])(
    "leaves nothing where the daemon ended when %s, and a repeat brings it",
    async (point) => {
      await using from = await lifeHost();
      await using to = await lifeHost();
      await sealed(from);
      const draft = join(to.dataDir, "moves/one");
      await mkdir(join(draft, "memory"), { recursive: true });
      if (point.startsWith("all")) {
        const record = { ...entryOf(from.deps).record, epoch: 2 };
        await writeFile(join(draft, "vm.json"), JSON.stringify(record));
        await writeFile(join(draft, "root.ext4"), "half");
      }
      const deps = await nextDaemon(to);
      expect(await left(to)).toEqual({ vms: [], moves: [] });
      await take(deps, await packed(from.deps));
      expect(await to.diskEnd("one", 5)).toBe("words");
    },
  );

  test("that came whole is there, sealed, for the next daemon", async () => {
    await using from = await lifeHost();
    await using to = await lifeHost();
    await sealed(from);
    await take(to.deps, await packed(from.deps));
    const deps = await nextDaemon(to);
    expect(entryOf(deps).record).toMatchObject({ state: "paused", sealed: true, epoch: 2, memory: {} });
    await take(deps, piecesOf());
    await unsealVm(deps, "one", 2);
    await resume(deps, 3);
    expect(guestOf(to.script).memory).toBe("notes");
  });

  test("takes no more VMs than the host has room for in its list", async () => {
    await using from = await lifeHost();
    await using to = await lifeHost();
    await sealed(from);
    for (const id of ["a", "b", "c", "d"]) await startVm(to.deps, startOf(id));
    expect((await failureOf(take(to.deps, await packed(from.deps)))).reason).toBe("NO_CAPACITY");
    expect((await left(to)).moves).toEqual([]);
    await deleteVm(to.deps, "a", 1);
    await take(to.deps, await packed(from.deps));
  });
});

async function failureOrError(call: Promise<unknown>): Promise<Error> {
  return call.then(
    () => expect.fail("it should have failed"),
    (error: unknown) => error as Error,
  );
}
