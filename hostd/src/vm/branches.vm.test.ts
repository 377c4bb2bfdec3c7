/** One real VM: what it keeps over pauses and a daemon that is killed, its forks, and its way back. */
import { VmState } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestDaemon, type TestHost, testHost } from "../testing/daemon.ts";

const stack = new AsyncDisposableStack();
let host: TestHost;
let daemon: TestDaemon;
let epoch = 1n;

beforeAll(async () => {
  const { DNAH_TEST_BUNDLE = "", DNAH_VHOST_DEVICE_VSOCK = "" } = process.env;
  host = stack.use(
    await testHost({
      DNAH_BUNDLE: DNAH_TEST_BUNDLE,
      DNAH_VHOST_DEVICE_VSOCK,
      DNAH_MEMORY_DIR: "/dev/shm/daytonah-test",
    }),
  );
  daemon = await host.start();
  stack.defer(() => daemon[Symbol.asyncDispose]());
  await daemon.clients.host.startVm({ sandboxId: "one", epoch, template: "base", vcpus: 1, memoryMib: 256 });
}, 120_000);
afterAll(() => stack.disposeAsync());

async function run(sandboxId: string, line: string, processId = ""): Promise<string> {
  let text = "";
  const request = { command: { case: "shell" as const, value: { line } }, processId };
  const headers = { "sandbox-id": sandboxId };
  for await (const { event } of daemon.clients.processes.exec(request, { headers })) {
    if (event.case === "output") text += Buffer.from(event.value.data).toString();
  }
  return text;
}

const pause = () => daemon.clients.host.pauseVm({ sandboxId: "one", epoch });
const resume = () => daemon.clients.host.resumeVm({ sandboxId: "one", epoch: ++epoch });
const stateOf = async () => (await daemon.clients.host.listVms({})).vms.find((vm) => vm.sandboxId === "one")?.state;

async function nextDaemon() {
  await daemon.end("SIGKILL");
  daemon = await host.start();
}

/** Has something in memory and an open file: each word it reads is answered with all words so far. */
const program = `
notes = []
log = open("log", "a")
while True:
    with open("notes.in") as asked:
        notes.append(asked.read().strip())
    log.write(notes[-1] + "\\n")
    log.flush()
    with open("notes.out", "w") as answer:
        answer.write(",".join(notes) + "\\n")
`;

const note = (word: string, sandboxId = "one") => run(sandboxId, `echo ${word} > notes.in; head -n 1 < notes.out`);

test("a program, its open file, tmpfs and disk go on over three pauses, two of them with the daemon killed", async () => {
  const headers = { "sandbox-id": "one" };
  await daemon.clients.files.writeFile({ path: "notes.py", data: Buffer.from(program) }, { headers });
  await run("one", "mkfifo notes.in notes.out; setsid python3 notes.py < /dev/null > /dev/null 2>&1 &");
  expect(await note("a")).toBe("a\n");
  await run("one", "echo a > /dev/shm/kept; echo a > disk");
  await pause();
  await nextDaemon();
  expect(await stateOf()).toBe(VmState.PAUSED);
  await resume();
  expect(await note("b")).toBe("a,b\n");
  await run("one", "echo b >> /dev/shm/kept; echo b >> disk");
  await pause();
  await resume();
  expect(await note("c")).toBe("a,b,c\n");

  const pausing = pause().catch(() => undefined);
  await expect.poll(stateOf, { interval: 5 }).toBe(VmState.PAUSING);
  await nextDaemon();
  await pausing;
  // Whichever way it went: nothing of it is lost.
  if ((await stateOf()) === VmState.PAUSED) await resume();
  expect(await stateOf()).toBe(VmState.RUNNING);
  expect(await note("d")).toBe("a,b,c,d\n");
  expect(await run("one", "cat /dev/shm/kept disk log")).toBe("a\nb\na\nb\na\nb\nc\nd\n");
});

test("two forks of one instant have the parent's memory and disk, and nothing of its identity", async () => {
  const { snapshot, stages } = await daemon.clients.host.snapshotVm({ sandboxId: "one", epoch, snapshotId: "snap_a" });
  expect(snapshot).toMatchObject({ sandboxId: "one", memoryKept: true, memoryMib: 256 });
  const window = stages.find(({ stage }) => stage === "window")?.duration;
  console.log(
    `the guest stood still for ${Number(window?.seconds) * 1000 + Math.round(Number(window?.nanos) / 1e6)} ms`,
  );
  await run("one", "echo e > /dev/shm/kept"); // the parent runs on
  const fork = { epoch: 1n, template: "base", vcpus: 1, memoryMib: 256, snapshotId: "snap_a" };
  for (const sandboxId of ["two", "three"]) {
    const started = await daemon.clients.host.startVm({ ...fork, sandboxId, env: { FORK: sandboxId } });
    expect(started.stages.map(({ stage }) => stage).slice(0, 2)).toEqual(["disk", "restore"]);
  }
  const identity = "hostname; cat /etc/machine-id; python3 -c 'import os; print(os.getrandom(16).hex())'";
  const told = await Promise.all(["one", "two", "three"].map((id) => run(id, identity)));
  const lines = told.map((text) => text.trim().split("\n"));
  expect(lines.map(([hostname]) => hostname)).toEqual(["one", "two", "three"]);
  for (const at of [1, 2]) expect(new Set(lines.map((line) => line[at])).size).toBe(3);
  expect(await run("two", "echo $FORK; cat /dev/shm/kept")).toBe("two\na\nb\n");
  // Each has the program, and the program of each goes on by itself.
  expect(await note("two", "two")).toBe("a,b,c,d,two\n");
  expect(await note("three", "three")).toBe("a,b,c,d,three\n");
  expect(await note("e")).toBe("a,b,c,d,e\n");
  for (const sandboxId of ["two", "three"]) await daemon.clients.host.deleteVm({ sandboxId, epoch: 1n });
});

test("a roll back returns to the snapshot under the same id", async () => {
  const { vm } = await daemon.clients.host.rollBackVm({ sandboxId: "one", epoch: ++epoch, snapshotId: "snap_a" });
  expect(vm).toMatchObject({ sandboxId: "one", epoch, state: VmState.RUNNING });
  expect(await note("f")).toBe("a,b,c,d,f\n");
  expect(await run("one", "hostname; cat /dev/shm/kept log")).toBe("one\na\nb\na\nb\nc\nd\nf\n");
  await daemon.clients.host.deleteVmSnapshot({ snapshotId: "snap_a" });
  expect((await daemon.clients.host.listVmSnapshots({})).snapshots).toEqual([]);
});

test("a stopped VM boots from its disk, with all that was written", async () => {
  await run("one", "echo last > last");
  await daemon.clients.host.stopVm({ sandboxId: "one", epoch });
  expect(await stateOf()).toBe(VmState.PAUSED);
  await resume();
  expect(await run("one", "cat last; ls /dev/shm")).toBe("last\n");
  await daemon.clients.host.deleteVm({ sandboxId: "one", epoch });
});
