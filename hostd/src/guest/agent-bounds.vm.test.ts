/** What programs in a VM may do, the agent answers: memory, processes and disk that run out, and a clock that jumps. */
import { join } from "node:path";
import { ExitKind, LogEvent, type ProcessExited } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applyCopy } from "../host/disk/apply.ts";
import { pingUntilAnswered } from "../vmm/testing/guest-call.ts";
import { makeQemuHarness } from "../vmm/testing/qemu-harness.ts";
import { testBundle } from "../vmm/testing/test-bundle.ts";
import { type AgentClient, agentPort, createAgentClient } from "./agent-client.ts";

const stack = new AsyncDisposableStack();
let agent: AgentClient;
const options = () => ({ signal: AbortSignal.timeout(90_000) });

beforeAll(async () => {
  const harness = stack.use(await makeQemuHarness());
  const vmm = stack.adopt(harness.createVmm(), (one) => one.close());
  const config = await harness.makeConfig();
  const { template, moduleDisk, moduleFilesystem } = testBundle();
  const root = join(harness.scratch, "root.ext4");
  await applyCopy(harness.config.runner, { source: template, target: root, owner: config }, "sparse", options());
  const cmdline = ["dnah.root=/dev/vda", "dnah.modules=/dev/vdb", `dnah.modules_fs=${moduleFilesystem}`];
  const disks = [
    { id: "root", path: root, readonly: false },
    { id: "modules", path: moduleDisk, readonly: true },
  ];
  const vm = await vmm.boot({ ...config, cmdline, disks }, options());
  stack.defer(() => vm.kill());
  await pingUntilAnswered(vm.vsockPath, options().signal);
  agent = createAgentClient({ path: vm.vsockPath, port: agentPort });
}, 120_000);
afterAll(() => stack.disposeAsync());

async function run(processId: string, line: string, more: { readonly timeout?: { readonly seconds: bigint } } = {}) {
  const value = { ...more, processId, user: "root", command: { case: "shell" as const, value: { line } } };
  using stream = await agent.open({ case: "startProcess", value }, options());
  let text = "";
  let exited: ProcessExited | undefined;
  for (let event = await stream.next(); event; event = await stream.next()) {
    if (event.case === "processOutput") text += Buffer.from(event.value.data).toString();
    if (event.case === "processExited") exited = event.value;
  }
  return { text, exited };
}

const pong = () => agent.unary({ case: "ping", value: {} }, "pong", options());

test("a program that takes all memory is ended, and the log says why", { timeout: 90_000 }, async () => {
  const { exited } = await run("hog", "exec tail /dev/zero");
  expect(exited).toMatchObject({ kind: ExitKind.OUT_OF_MEMORY, exitCode: 137 });
  using log = await agent.open({ case: "readLogs", value: {} }, options());
  const events: [LogEvent, string][] = [];
  for (let event = await log.next(); event; event = await log.next()) {
    if (event.case === "logLine") events.push([event.value.event, event.value.processId]);
  }
  expect(events).toContainEqual([LogEvent.OUT_OF_MEMORY, "hog"]);
  expect(Number((await pong()).agentResidentBytes)).toBeLessThan(4 << 20);
});

test("a fork bomb fails to fork, and another process can end it", { timeout: 90_000 }, async () => {
  const bomb = run("bomb", "b() { b | b & }; b; sleep 1000");
  // Forks are refused by the bound, not for want of memory.
  await expect
    .poll(async () => (await run(`look-${Date.now()}`, "cat /sys/fs/cgroup/sandbox/pids.events")).text, {
      timeout: 60_000,
    })
    .toMatch(/^max [1-9]/);
  await pong();
  expect((await run("rescue", "kill -9 -1; echo ended")).text).toBe("ended\n");
  expect((await bomb).exited).toMatchObject({ kind: ExitKind.SIGNALED, signal: 9 });
});

test("a full file system is told by its name", { timeout: 60_000 }, async () => {
  await run("mount", "mount -t tmpfs -o size=1M none /mnt");
  const content = Buffer.alloc((1 << 20) - 1);
  const value = { path: "/mnt/large", user: "root" };
  using stream = await agent.open({ case: "writeFile", value }, options());
  await stream.send(content);
  await stream.send(content);
  await stream.sendClose();
  await expect(stream.next()).rejects.toMatchObject({ reason: "GUEST_NO_SPACE" });
});

test("a clock that jumps by days moves no time-out", { timeout: 60_000 }, async () => {
  const days = 3n * 86_400n;
  const now = BigInt(Math.floor(Date.now() / 1000));
  const sleeper = run("sleeper", "sleep 1000", { timeout: { seconds: 3n } });
  for (const seconds of [now + days, now - days, now]) {
    await agent.command({ case: "setClock", value: { wallClock: { seconds } } }, options());
  }
  const { exited } = await sleeper;
  expect(exited?.kind).toBe(ExitKind.TIMED_OUT);
  expect(Number(exited?.runTime?.seconds)).toBeLessThan(10);
});
