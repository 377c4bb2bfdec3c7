/** What a client sees of a real VM that is paused and resumed under it: nothing. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { VmState } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Clients, type TestHost, testHost } from "../testing/daemon.ts";
import type { VmRecord } from "../vm/vm-record.ts";

const sandboxId = "one";
const headers = { "sandbox-id": sandboxId };
const stack = new AsyncDisposableStack();
let host: TestHost;
let clients: Clients;
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
  ({ clients } = stack.use(await host.start()));
  const lifecycle = { version: 1n, autoResume: true };
  await clients.host.startVm({ sandboxId, epoch, template: "base", vcpus: 1, memoryMib: 256, lifecycle });
}, 120_000);
afterAll(() => stack.disposeAsync());

/** A program's output as it comes, without a gap or a repetition. */
function exec(line: string, more: { readonly processId?: string; readonly pty?: object; readonly user?: string } = {}) {
  const seen = { text: "" };
  const done = (async () => {
    let next = 0n;
    const request = { command: { case: "shell" as const, value: { line } }, ...more };
    for await (const { event } of clients.processes.exec(request, { headers })) {
      if (event.case !== "output") continue;
      expect(event.value.offset).toBe(next);
      next += BigInt(event.value.data.length);
      seen.text += Buffer.from(event.value.data).toString();
    }
    return seen.text;
  })();
  return { seen, done };
}

const run = (line: string, user = "user") => exec(line, { user }).done;

const pause = () => clients.host.pauseVm({ sandboxId, epoch });
const resume = () => clients.host.resumeVm({ sandboxId, epoch: ++epoch });
const recordOf = async () =>
  JSON.parse(await readFile(join(host.dataDir, "vms", sandboxId, "vm.json"), "utf8")) as VmRecord;

/** Looks at its clock without an end, and says at the end whether that ever went back. */
const watchClock =
  "import time,os\nlast=time.monotonic();back=0\nwhile not os.path.exists('/tmp/enough'):\n" +
  " now=time.monotonic();back+=now<last;last=now;time.sleep(.002)\nprint('went back',back,'times')";

test("an exec and a terminal go on over two pauses, the clock is right, and hooks are told", {
  timeout: 120_000,
}, async () => {
  const hook = "/etc/daytonah/hooks.d/10-note";
  const script = "#!/bin/sh\\necho $DNAH_EVENT $DNAH_EPOCH >> /tmp/hooks\\n";
  await run(`mkdir -p /etc/daytonah/hooks.d; printf '${script}' > ${hook}; chmod +x ${hook}`, "root");
  const lines = exec("i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo $i; sleep 0.05; done");
  const process = { selector: { case: "processId" as const, value: "term" } };
  const terminal = exec("stty -echo; cat", { processId: "term", pty: { columns: 80, rows: 24 } });
  const clock = exec(`python3 -c "${watchClock}"`);
  let offset = 0n;
  for (const word of ["one", "two"]) {
    const before = lines.seen.text.length;
    await expect.poll(() => lines.seen.text.length, { timeout: 20_000 }).toBeGreaterThan(before);
    await pause();
    const { stages } = await resume();
    expect(stages.map(({ stage }) => stage)).toEqual(["restore", "agent", "personalize", "hooks"]);
    const asked = Date.now();
    const told = Number(await run("date +%s%3N"));
    expect(told).toBeGreaterThanOrEqual(asked - 50);
    expect(told).toBeLessThanOrEqual(Date.now() + 50);
    const data = Buffer.from(`${word}\n`);
    await clients.processes.sendInput({ process, offset, data }, { headers });
    offset += BigInt(data.length);
  }
  await clients.processes.sendInput({ process, offset, close: true }, { headers });
  await run("touch /tmp/enough");
  expect((await terminal.done).replaceAll("\r", "")).toBe("one\ntwo\n");
  expect(await clock.done).toBe("went back 0 times\n");
  expect(await lines.done).toBe(Array.from({ length: 100 }, (_, at) => `${at + 1}\n`).join(""));
  expect(await run("cat /tmp/hooks")).toBe("resumed 2\nresumed 3\n");
});

test("ten execs at once wake it once", { timeout: 60_000 }, async () => {
  await pause();
  const asked = Array.from({ length: 10 }, (_, index) => run(`echo ${index}`));
  expect(await Promise.all(asked)).toEqual(asked.map((_, index) => `${index}\n`));
  expect(await recordOf()).toMatchObject({ epoch: Number(epoch), wakes: 1, state: "running" });
});

test("it is paused when nobody uses it, and wakes for the next call, as an explicit pause keeps it: byte for byte", {
  timeout: 60_000,
}, async () => {
  const kept = "cat /dev/shm/kept ~/kept | sha256sum"; // memory, and a disk that nobody synced
  const written = await run(`head -c 4M /dev/urandom > /dev/shm/kept; head -c 4M /dev/urandom > ~/kept; ${kept}`);
  await pause();
  await resume();
  expect(await run(kept)).toBe(written);
  const lifecycle = { version: 2n, autoResume: true, idleTimeout: { seconds: 1n, nanos: 0 } };
  await clients.host.setVmLifecycle({ sandboxId, epoch, lifecycle });
  const stateOf = async () => (await clients.host.listVms({})).vms[0]?.state;
  await expect.poll(stateOf, { timeout: 20_000, interval: 100 }).toBe(VmState.PAUSED);
  expect(await run(kept)).toBe(written);
  expect(await recordOf()).toMatchObject({ wakes: 1 });
});
