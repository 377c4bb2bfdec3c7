/** A host's disk runs full while a real VM is written down: the call says so, nothing of it is left, and the VM runs on. */
import { access, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { ConnectError } from "@connectrpc/connect";
import { VmState } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { sleep } from "@daytonah/lib/sleep.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readDiskSpace } from "../host/disk/apply.ts";
import { createCommandRunner } from "../host/exec.ts";
import { type Clients, type TestHost, testHost } from "../testing/daemon.ts";
import { type LoopMount, loopMount } from "../testing/loop-mount.ts";

const stack = new AsyncDisposableStack();
const runner = createCommandRunner();
const options = () => ({ signal: AbortSignal.timeout(60_000) });
const mib = 1024 * 1024;
const vm = { sandboxId: "one", epoch: 1n };
/** Less than a guest has in memory once it is up. */
const leftMib = 16;
let disk: LoopMount;
let host: TestHost;
let clients: Clients;

beforeAll(async () => {
  const { DNAH_TEST_BUNDLE = "", DNAH_VHOST_DEVICE_VSOCK = "" } = process.env;
  disk = stack.use(await loopMount(5 * 1024));
  host = stack.use(
    await testHost({
      DNAH_BUNDLE: DNAH_TEST_BUNDLE,
      DNAH_VHOST_DEVICE_VSOCK,
      DNAH_MEMORY_DIR: "/dev/shm/daytonah-test",
      DNAH_HOSTD_DATA_DIR: join(disk.path, "data"),
    }),
  );
  ({ clients } = stack.use(await host.start()));
  await clients.host.startVm({ ...vm, template: "base", vcpus: 1, memoryMib: 256 });
  await run("head -c 1M /dev/urandom > /dev/shm/memory; md5sum /dev/shm/memory > memory.md5; echo before > disk; sync");
}, 120_000);
afterAll(() => stack.disposeAsync());

async function run(line: string): Promise<string> {
  let text = "";
  const request = { command: { case: "shell" as const, value: { line } } };
  for await (const { event } of clients.processes.exec(request, { headers: { "sandbox-id": "one" } })) {
    if (event.case === "output") text += Buffer.from(event.value.data).toString();
  }
  return text;
}

/** Takes all but a little of the disk as soon as there is a file of this name in the data folder; gives up when it is over. */
async function fillWhenThereIs(path: string, over: AbortSignal): Promise<AsyncDisposable | undefined> {
  const there = () =>
    access(join(host.dataDir, path)).then(
      () => true,
      () => false,
    );
  while (!(await there())) {
    if (over.aborted) return undefined;
    await sleep(1, options());
  }
  const { availableBytes } = await readDiskSpace(disk.path);
  const hog = join(disk.path, "hog");
  await runner.run(["fallocate", `--length=${availableBytes - leftMib * mib}`, hog], options());
  return { [Symbol.asyncDispose]: () => rm(hog) };
}

test.each([
  {
    what: "a snapshot",
    draft: "snapshots/snap_a.draft",
    call: () => clients.host.snapshotVm({ ...vm, snapshotId: "snap_a" }),
  },
  { what: "a pause", draft: "vms/one/memory.draft", call: () => clients.host.pauseVm(vm) },
])("$what that the disk has no room for fails typed; the VM runs on, and nothing is lost", async ({ draft, call }) => {
  const counted = run("for i in $(seq 100); do echo $i; sleep 0.02; done");
  const over = new AbortController();
  const filling = fillWhenThereIs(draft, over.signal);
  const failure = await call().then(
    () => expect.fail("it should have failed"),
    (error: unknown) => ConnectError.from(error),
  );
  over.abort();
  await using hog = await filling;
  expect(problemOf(failure)?.reason, failure.message).toBe("HOST_NO_SPACE");
  expect(hog, "it failed when it had begun").toBeDefined();
  expect(await readdir(join(host.dataDir, "snapshots"))).toEqual([]);
  expect((await readdir(join(host.dataDir, "vms/one"))).sort()).toEqual(["root.ext4", "vm.json"]);
  expect((await clients.host.listVms({})).vms).toMatchObject([{ ...vm, state: VmState.RUNNING }]);
  expect(await run("md5sum --quiet -c memory.md5 && echo after >> disk && sync && cat disk")).toMatch(
    /^before\n(after\n)+$/,
  );
  expect(await counted).toBe(Array.from({ length: 100 }, (_, at) => `${at + 1}\n`).join(""));
});

test("with room again it is paused, and resumed with all it had", async () => {
  await clients.host.pauseVm(vm);
  await clients.host.resumeVm({ ...vm, epoch: 2n });
  expect(await run("md5sum --quiet -c memory.md5 && cat disk")).toBe("before\nafter\nafter\n");
  await clients.host.deleteVm({ ...vm, epoch: 2n });
});
