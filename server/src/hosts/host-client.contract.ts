/** What every HostClient does, whatever is behind it. */

import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { VmState as State, type VmState, type WatchVmsResponse } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { describe, expect, test } from "vitest";
import type { VmLifecycle } from "../domain/lifecycle.ts";
import type { VmAccess } from "../domain/vm-access.ts";
import type { HostClient } from "./host-client.ts";

export interface HostUnderTest extends AsyncDisposable {
  readonly client: HostClient;
  /** What is at the other end. */
  readonly host: HostBehind;
  /** Of another host of its kind, for moves. */
  readonly other: HostClient;
}

/** What a test sees of a host, and has happen there. */
export interface HostBehind {
  accessOf(sandboxId: string): { readonly version: unknown; readonly publicPorts: readonly number[] } | undefined;
  lifecycleOf(sandboxId: string): { readonly version: unknown; readonly deleteAtEnd: boolean } | undefined;
  /** Environments that its agent was told of by claims, each once. */
  claimsOf(sandboxId: string): readonly unknown[];
  /** The VMM is killed. */
  kill(sandboxId: string): Promise<void>;
  pauseItself(sandboxId: string): Promise<void>;
  wakeItself(sandboxId: string): Promise<void>;
  /** The next snapshot waits at `begun` for `go`. */
  holdSnapshot(): { readonly begun: Promise<unknown>; readonly go: () => void };
  /** Nobody can read the snapshot to its end. */
  spoil(snapshotId: string): Promise<void>;
  cutWatchers(): void;
  /** From now on every call fails as if nobody listened. */
  vanish(): Promise<void>;
}

/** It has the sandbox in another state or epoch: which of the two it calls it tells a caller nothing. */
const conflicts = ["SANDBOX_STATE_CONFLICT", "SANDBOX_NOT_RUNNING"];

const spec = {
  sandboxId: "s1",
  epoch: 1n,
  template: "base",
  vcpus: 1,
  memoryMib: 128,
  diskMib: 0,
  env: { A: "b" },
  access: accessOf(1n),
  lifecycle: lifecycleOf(1n),
  snapshotId: "",
};

function accessOf(version: bigint): VmAccess {
  const [tokenSha256, signingKey] = [new Uint8Array(32), new Uint8Array(32)];
  return { version, tokenGeneration: 1n, tokenSha256, signingKey, publicPorts: [80] };
}

function lifecycleOf(version: bigint): VmLifecycle {
  return { version, deleteAtEnd: true, idleTimeout: durationFromMs(5_000), autoResume: true };
}

export function describeHostClient(name: string, open: () => Promise<HostUnderTest>): void {
  describe(name, () => {
    test("says what the host is", async () => {
      await using under = await open();
      expect((await under.client.getHost({})).hostId).toBe("h1");
    });

    test("starts a VM once for one epoch", async () => {
      await using under = await open();
      const [first, second] = await Promise.all([under.client.startVm(spec, {}), under.client.startVm(spec, {})]);
      expect([first.vm?.state, second.vm?.state]).toEqual([State.RUNNING, State.RUNNING]);
      expect(await under.client.listVms({})).toHaveLength(1);
    });

    test("takes the newest of who may reach a VM, for its epoch alone, and tells watchers", async () => {
      await using under = await open();
      await under.client.startVm(spec, {});
      const set = (version: bigint, epoch = 1n) =>
        under.client.setVmAccess({ sandboxId: "s1", epoch, access: accessOf(version) }, {});
      await set(3n);
      await set(2n);
      expect(await reasonOf(set(4n, 2n))).toBe("SANDBOX_NOT_RUNNING");
      expect(under.host.accessOf("s1")).toMatchObject({ publicPorts: [80] });
      expect(await under.client.listVms({})).toMatchObject([{ accessVersion: 3n }]);
      const { value } = await under.client.watchVms({})[Symbol.asyncIterator]().next();
      expect(value.event).toMatchObject({ value: { accessVersion: 3n } });
    });

    test("takes the newest of when a VM ends, and tells watchers", async () => {
      await using under = await open();
      await under.client.startVm(spec, {});
      expect(under.host.lifecycleOf("s1")).toMatchObject({ deleteAtEnd: true, autoResume: true });
      const set = (version: bigint) =>
        under.client.setVmLifecycle({ sandboxId: "s1", epoch: 1n, lifecycle: lifecycleOf(version) }, {});
      await set(3n);
      await set(2n);
      expect(await under.client.listVms({})).toMatchObject([{ sandboxId: "s1", lifecycleVersion: 3n }]);
    });

    test("pauses a VM once, also where it is asked twice, and runs it on with a higher epoch", async () => {
      await using under = await open();
      await under.client.startVm(spec, {});
      const pause = () => under.client.pauseVm({ sandboxId: "s1", epoch: 1n }, {});
      const [first, second] = await Promise.all([pause(), pause()]);
      expect([first.vm, second.vm, (await pause()).vm]).toMatchObject(
        Array.from({ length: 3 }, () => ({ state: State.PAUSED, memoryKept: true, epoch: 1n })),
      );
      const plan = { sandboxId: "s1", epoch: 2n, access: accessOf(2n), lifecycle: lifecycleOf(2n) };
      expect((await under.client.resumeVm(plan, {})).vm).toMatchObject({ state: State.RUNNING, epoch: 2n });
      expect((await under.client.resumeVm(plan, {})).vm).toMatchObject({ state: State.RUNNING, epoch: 2n });
      expect(await reasonOf(pause())).toBeOneOf(conflicts);
      expect(await under.client.listVms({})).toMatchObject([{ epoch: 2n, accessVersion: 2n, lifecycleVersion: 2n }]);
    });

    test("starts a failed VM again with a higher epoch, and raises that of one that woke by itself", async () => {
      await using under = await open();
      await under.client.startVm(spec, {});
      await under.host.kill("s1");
      const plan = { sandboxId: "s1", access: accessOf(1n), lifecycle: lifecycleOf(1n) };
      expect((await under.client.resumeVm({ ...plan, epoch: 2n }, {})).vm?.state).toBe(State.RUNNING);
      await under.host.pauseItself("s1");
      await under.host.wakeItself("s1");
      expect((await under.client.resumeVm({ ...plan, epoch: 3n }, {})).vm).toMatchObject({
        state: State.RUNNING,
        epoch: 3n,
      });
    });

    test("gives a VM that waits in a pool to its owner, once, and none that died", async () => {
      await using under = await open();
      const { access: _, lifecycle: __, ...waiting } = { ...spec, standby: true };
      for (const sandboxId of ["s1", "s2"]) await under.client.startVm({ ...waiting, sandboxId }, {});
      expect(await under.client.listVms({})).toMatchObject([
        { sandboxId: "s1", standby: true, accessVersion: 0n, lifecycleVersion: 0n },
        { sandboxId: "s2", standby: true },
      ]);
      const plan = { epoch: 2n, access: accessOf(1n), lifecycle: lifecycleOf(1n), env: { B: "c" } };
      const claim = () => under.client.claimVm({ ...plan, sandboxId: "s1" }, {});
      const [first, again] = [await claim(), await claim()];
      expect([first.vm, again.vm]).toMatchObject([{ epoch: 2n, standby: false }, { epoch: 2n }]);
      expect(first.stages.map(({ stage }) => stage)).toEqual(["personalize"]);
      expect(under.host.claimsOf("s1")).toEqual([{ B: "c" }]);
      const claimed = { sandboxId: "s1", epoch: 2n, accessVersion: 1n, lifecycleVersion: 1n, standby: false };
      expect(await under.client.listVms({})).toMatchObject([claimed, { sandboxId: "s2" }]);
      expect(await reasonOf(under.client.claimVm({ ...plan, sandboxId: "s1", epoch: 3n }, {}))).toBeOneOf(conflicts);
      await under.host.kill("s2");
      expect(await reasonOf(under.client.claimVm({ ...plan, sandboxId: "s2" }, {}))).toBe("VM_DIED");
      expect(await reasonOf(under.client.claimVm({ ...plan, sandboxId: "s3" }, {}))).toBe("SANDBOX_NOT_FOUND");
    });

    test("takes a snapshot once, starts others from it, and deletes it twice without complaint", async () => {
      await using under = await open();
      await under.client.startVm(spec, {});
      const take = () => under.client.snapshotVm({ sandboxId: "s1", epoch: 1n, snapshotId: "snap_1" }, {});
      const [first, second] = [await take(), await take()];
      expect(first.snapshot).toMatchObject({ snapshotId: "snap_1", sandboxId: "s1", memoryKept: true });
      expect(second.snapshot).toEqual(first.snapshot);
      expect(await under.client.listVmSnapshots({})).toEqual([first.snapshot]);
      const child = { ...spec, sandboxId: "s2", snapshotId: "snap_1" };
      expect((await under.client.startVm(child, {})).vm?.state).toBe(State.RUNNING);
      await under.client.deleteVmSnapshot("snap_1", {});
      await under.client.deleteVmSnapshot("snap_1", {});
      expect(await under.client.listVmSnapshots({})).toEqual([]);
      expect(await reasonOf(under.client.startVm({ ...child, sandboxId: "s3" }, {}))).toBe("SNAPSHOT_NOT_FOUND");
    });

    test("puts a VM back to a snapshot once, with a higher epoch", async () => {
      await using under = await open();
      await under.client.startVm(spec, {});
      await under.client.snapshotVm({ sandboxId: "s1", epoch: 1n, snapshotId: "snap_1" }, {});
      const plan = { sandboxId: "s1", epoch: 2n, access: accessOf(2n), lifecycle: lifecycleOf(2n) };
      const back = (snapshotId: string) => under.client.rollBackVm({ ...plan, snapshotId }, {});
      expect(await reasonOf(back("snap_2"))).toBe("SNAPSHOT_NOT_FOUND");
      const [first, second] = [await back("snap_1"), await back("snap_1")];
      expect(first.vm).toMatchObject({ state: State.RUNNING, epoch: 2n, accessVersion: 2n, lifecycleVersion: 2n });
      expect(second.vm).toEqual(first.vm);
    });

    test("deletes a snapshot that is still being taken, as soon as it is", async () => {
      await using under = await open();
      await under.client.startVm(spec, {});
      const held = under.host.holdSnapshot();
      const taking = under.client.snapshotVm({ sandboxId: "s1", epoch: 1n, snapshotId: "snap_1" }, {});
      await held.begun;
      const deleting = under.client.deleteVmSnapshot("snap_1", {});
      held.go();
      await Promise.allSettled([taking, deleting]);
      expect(await under.client.listVmSnapshots({})).toEqual([]);
    });

    test("hands a sealed VM to another host, byte for byte, where it arrives sealed and once", async () => {
      await using under = await open();
      const { other } = under;
      await under.client.startVm(spec, {});
      const [here, there] = [
        { sandboxId: "s1", epoch: 1n },
        { sandboxId: "s1", epoch: 2n },
      ];
      expect(await reasonOf(under.client.sealVm(here, {}))).toBeOneOf(conflicts);
      await under.client.pauseVm(here, {});
      expect(await reasonOf(under.client.readCopy(here, {}))).toBeOneOf(conflicts);
      await under.client.sealVm(here, {});
      expect(await under.client.listVms({})).toMatchObject([{ state: State.PAUSED, sealed: true }]);
      const plan = { ...there, access: accessOf(1n), lifecycle: lifecycleOf(1n) };
      expect(await reasonOf(under.client.resumeVm(plan, {}))).toBe("SANDBOX_STATE_CONFLICT");

      // There, and back again: either side is under test once.
      await other.writeCopy(there, await under.client.readCopy(here, {}), {});
      expect(await other.listVms({})).toMatchObject([
        { ...there, state: State.PAUSED, sealed: true, memoryKept: true },
      ]);
      await under.client.deleteVm(here, {});
      const back = { sandboxId: "s1", epoch: 3n };
      const write = async () => under.client.writeCopy(back, await other.readCopy(there, {}), {});
      await Promise.all([write(), write()]);
      expect(await under.client.listVms({})).toMatchObject([{ ...back, sealed: true, memoryKept: true, vcpus: 1 }]);
      await under.client.unsealVm(back, {});
      await under.client.unsealVm(back, {});
      expect((await under.client.resumeVm({ ...plan, epoch: 4n }, {})).vm?.state).toBe(State.RUNNING);
      const late = other.readCopy(there, {}).then((bytes) => under.client.writeCopy(there, bytes, {}));
      expect(await reasonOf(late)).toBeOneOf(conflicts);
    });

    test("hands a snapshot over, and takes none that breaks off", async () => {
      await using under = await open();
      const { other } = under;
      await under.client.startVm(spec, {});
      const { snapshot } = await under.client.snapshotVm({ sandboxId: "s1", epoch: 1n, snapshotId: "snap_1" }, {});
      const copy = { snapshotId: "snap_1" };
      await other.writeCopy(copy, await under.client.readCopy(copy, {}), {});
      expect(await other.listVmSnapshots({})).toEqual([snapshot]);
      await under.host.spoil("snap_1");
      await expect(Array.fromAsync(await under.client.readCopy(copy, {}))).rejects.toThrow();
      await other.deleteVmSnapshot("snap_1", {});
      expect(await reasonOf(other.readCopy(copy, {}))).toBe("SNAPSHOT_NOT_FOUND");
      await expect(other.writeCopy(copy, await under.client.readCopy(copy, {}), {})).rejects.toThrow();
      expect(await other.listVmSnapshots({})).toEqual([]);
    });

    test("refuses a start whose epoch was deleted", async () => {
      await using under = await open();
      await under.client.deleteVm({ sandboxId: "s1", epoch: 1n }, {});
      expect(await reasonOf(under.client.startVm(spec, {}))).toBeOneOf(conflicts);
      expect(await under.client.listVms({})).toEqual([]);
    });

    test("deletes a VM twice without complaint", async () => {
      await using under = await open();
      await under.client.startVm(spec, {});
      await under.client.deleteVm({ sandboxId: "s1", epoch: 1n }, {});
      await under.client.deleteVm({ sandboxId: "s1", epoch: 1n }, {});
      expect(await under.client.listVms({})).toEqual([]);
    });

    test("is HOST_UNAVAILABLE where nobody answers, with a time to try again", async () => {
      await using under = await open();
      await under.host.vanish();
      const error = await under.client.startVm(spec, {}).catch(problemOf);
      expect(error).toMatchObject({ reason: "HOST_UNAVAILABLE", options: { retryDelayMs: 2_000 } });
    });

    test("tells what there is, then what changes, then that it is cut off", async () => {
      await using under = await open();
      await under.client.startVm(spec, {});
      const events = under.client.watchVms({})[Symbol.asyncIterator]();
      expect(await next(events)).toEqual(["s1", State.RUNNING]);
      expect(await next(events)).toBe("synced");
      await under.host.kill("s1");
      expect(await next(events)).toEqual(["s1", State.FAILED]);
      under.host.cutWatchers();
      expect(await reasonOf(events.next())).toBe("HOST_UNAVAILABLE");
    });
  });
}

async function next(events: AsyncIterator<WatchVmsResponse>): Promise<[string, VmState] | string | undefined> {
  const { value } = await events.next();
  const event = (value as WatchVmsResponse).event;
  return event.case === "vm" ? [event.value.sandboxId, event.value.state] : event.case;
}

async function reasonOf(call: Promise<unknown>): Promise<string | undefined> {
  return call.then(
    () => expect.fail("the call should have failed"),
    (error: unknown) => problemOf(error)?.reason,
  );
}
