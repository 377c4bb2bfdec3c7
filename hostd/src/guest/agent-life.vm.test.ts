/** What a real guest does around a snapshot, by calls to its agent: it stands still, and is another machine when it goes on. */
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { LifeEvent } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { sleep } from "@daytonah/lib/sleep.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applyCopy } from "../host/disk/apply.ts";
import { pingUntilAnswered } from "../vmm/testing/guest-call.ts";
import { makeQemuHarness, type QemuHarness } from "../vmm/testing/qemu-harness.ts";
import { testBundle } from "../vmm/testing/test-bundle.ts";
import type { Vm, VmConfig, Vmm } from "../vmm/vmm.ts";
import { type AgentClient, agentPort, createAgentClient } from "./agent-client.ts";
import { tellTime } from "./tell-time.ts";

const stack = new AsyncDisposableStack();
let harness: QemuHarness;
let vmm: Vmm;
let parent: Vm;
let agent: AgentClient;
const options = () => ({ signal: AbortSignal.timeout(90_000) });

beforeAll(async () => {
  harness = stack.use(await makeQemuHarness());
  vmm = stack.adopt(harness.createVmm(), (one) => one.close());
  const { moduleFilesystem } = testBundle();
  const cmdline = ["dnah.root=/dev/vda", "dnah.modules=/dev/vdb", `dnah.modules_fs=${moduleFilesystem}`];
  const config = await configWith("parent", testBundle().template);
  parent = await vmm.boot({ ...config, cmdline }, options());
  stack.defer(() => parent.kill());
  agent = await agentOf(parent);
  await personalize(agent, { sandboxId: "parent", epoch: 3n, newMachineId: true });
}, 120_000);
afterAll(() => stack.disposeAsync());

async function configWith(name: string, source: string): Promise<VmConfig> {
  const config = await harness.makeConfig();
  const root = join(harness.scratch, `${name}.ext4`);
  await applyCopy(harness.config.runner, { source, target: root, owner: config }, "sparse", options());
  const disks = [
    { id: "root", path: root, readonly: false },
    { id: "modules", path: testBundle().moduleDisk, readonly: true },
  ];
  return { ...config, disks };
}

async function agentOf(vm: Vm): Promise<AgentClient> {
  await pingUntilAnswered(vm.vsockPath, options().signal);
  return createAgentClient({ path: vm.vsockPath, port: agentPort });
}

let calls = 0;
async function run(at: AgentClient, line: string): Promise<string> {
  const value = { processId: `p${++calls}`, user: "root", command: { case: "shell" as const, value: { line } } };
  using stream = await at.open({ case: "startProcess", value }, options());
  let text = "";
  for (let event = await stream.next(); event; event = await stream.next()) {
    if (event.case === "processOutput") text += Buffer.from(event.value.data).toString();
  }
  return text;
}

async function personalize(at: AgentClient, more: { sandboxId: string; epoch: bigint } & Record<string, unknown>) {
  const value = { entropy: randomBytes(64), wallClock: timestampFromMs(Date.now()), ...more };
  return at.unary({ case: "personalize", value }, "personalized", options());
}

const quiesce = (seconds: bigint) =>
  agent.command({ case: "quiesce", value: { timeout: { seconds, nanos: 0 } } }, options());
const thaw = () => agent.command({ case: "thaw", value: {} }, options());
const pong = (at: AgentClient) => at.unary({ case: "ping", value: {} }, "pong", options());

/** Counts as long as it is let. */
const counter = "nohup sh -c 'i=0; while :; do i=$((i+1)); echo $i > /tmp/count; done' > /dev/null 2>&1 &";

test("programs and disk stand still in a quiesce, the agent answers, and an exec waits for the thaw", async () => {
  await run(agent, `${counter} until [ -s /tmp/count ]; do sleep 0.01; done`);
  await quiesce(30n);
  const first = await readCount();
  const exec = run(agent, "echo ran > /root/ran; cat /root/ran");
  let ran = false;
  void exec.then(() => {
    ran = true;
  });
  for (let pings = 0; pings < 20; pings += 1) await pong(agent);
  await sleep(300, options());
  expect([await readCount(), ran]).toEqual([first, false]);
  await thaw();
  expect(await exec).toBe("ran\n");
  await expect.poll(readCount).not.toBe(first);
}, 60_000);

test("a quiesce that nobody ends ends by itself", async () => {
  await quiesce(1n);
  expect(await run(agent, "echo on > /root/on; cat /root/on")).toBe("on\n");
}, 60_000);

test("it has the time that it was told, however long that was on its way", async () => {
  const now = () => new Date(Date.now() + 3_600_000); // another time than it has
  const told = await tellTime(agent, now, options());
  await sleep(1_000, options());
  await agent.command({ case: "setClock", value: told }, options());
  const asked = now().getTime();
  const { wallClock } = await pong(agent);
  const time = timestampMs(wallClock ?? expect.fail("it tells no time"));
  expect(time).toBeGreaterThanOrEqual(asked - 50);
  expect(time).toBeLessThanOrEqual(now().getTime() + 50);
});

/** By the agent itself: no process is needed for it. */
async function readCount(): Promise<string> {
  using stream = await agent.open({ case: "readFile", value: { path: "/tmp/count", user: "root" } }, options());
  let text = "";
  for (let event = await stream.next(); event; event = await stream.next()) {
    if (event.case === "data") text += Buffer.from(event.value).toString();
  }
  return text;
}

/** In the parent's memory: looks, without an end, whether it is still where it was, and says what it saw first. */
const looker = [
  "import os, time",
  "name = lambda: open('/proc/sys/kernel/hostname').read()",
  "at_first = name()",
  "open('/tmp/looks', 'w')",
  "while name() == at_first: time.sleep(0.001)",
  "saw = [open('/etc/machine-id').read().strip(), os.urandom(8).hex(), str(int(time.time() * 1000))]",
  "open('/tmp/saw.new', 'w').write(' '.join(saw))",
  "os.rename('/tmp/saw.new', '/tmp/saw')",
].join("\n");

/** A program with random state of its own: draws from it before and after it is told to begin anew. */
const gambler = [
  "import os, random, signal, time",
  "random.seed(1)",
  "def anew(*_):",
  "    before = random.random()",
  "    random.seed()",
  "    open('/tmp/drawn.new', 'w').write(f'{before} {random.random()}')",
  "    os.rename('/tmp/drawn.new', '/tmp/drawn')",
  "signal.signal(signal.SIGUSR1, anew)",
  "open('/run/gambler.pid', 'w').write(str(os.getpid()))",
  "while True: time.sleep(1)",
].join("\n");
const hook = ["#!/bin/sh", "kill -USR1 $(cat /run/gambler.pid)", "echo $DNAH_EVENT $DNAH_EPOCH > /tmp/hook", ""].join(
  "\n",
);

test("children of one snapshot are machines of their own before a program runs", { timeout: 120_000 }, async () => {
  const started = [
    `nohup python3 -c "${looker}" > /dev/null 2>&1 &`,
    `nohup python3 -c "${gambler}" > /dev/null 2>&1 &`,
    "until [ -e /tmp/looks ] && [ -s /run/gambler.pid ]; do sleep 0.01; done",
    "mkdir -p /etc/daytonah/hooks.d; cd /etc/daytonah/hooks.d",
    `cat > 10-gambler <<'END'\n${hook}END`,
    "chmod +x 10-gambler",
  ];
  await run(agent, started.join("\n"));
  const dir = join(harness.scratch, "snapshot");
  await mkdir(dir);
  await quiesce(60n);
  await parent.pause(options());
  await parent.snapshot(dir, options());
  const configs = [await configWith("one", rootOf(parent)), await configWith("two", rootOf(parent))];
  await parent.resume(options());
  await agentOf(parent);
  await thaw();
  const [one, two] = await Promise.all(configs.map((config, index) => childOf(config, dir, `child${index}`)));
  const drawn = [...(one?.drawn ?? []), ...(two?.drawn ?? []), (await run(agent, "cat /etc/machine-id")).trim()];
  expect(drawn).toHaveLength(11);
  expect(new Set(drawn).size).toBe(drawn.length);
  expect(one?.inherited).toEqual(two?.inherited); // what the hook is for
  // The parent is what it was.
  expect(await run(agent, "cat /run/daytonah/generation /etc/hostname; cat /tmp/saw /tmp/hook 2>/dev/null")).toBe(
    "epoch=3\nwake=0\nevent=started\nparent\n",
  );
});

/** Runs a child, and tells what it drew. */
async function childOf(config: VmConfig, dir: string, sandboxId: string) {
  const vm = await vmm.restore(config, dir, options());
  stack.defer(() => vm.kill());
  const child = await agentOf(vm);
  await sleep(500, options()); // a program that ran now would have the parent's randomness
  const asked = Date.now();
  const { hookTime } = await personalize(child, {
    ...{ sandboxId, epoch: 1n, newMachineId: true, keepEnvironment: true },
    event: LifeEvent.FORKED,
  });
  expect(hookTime).toBeDefined();
  await run(child, "until [ -s /tmp/saw ] && [ -s /tmp/drawn ]; do sleep 0.05; done");
  const [machineId = "", first = "", time = ""] = (await run(child, "cat /tmp/saw")).trim().split(" ");
  expect(Number(time)).toBeGreaterThanOrEqual(asked - 50);
  expect(Number(time)).toBeLessThanOrEqual(Date.now() + 50);
  const names = await run(
    child,
    "cat /etc/machine-id /etc/hostname /tmp/hook; tail -n 1 /etc/hosts; ls /sys/class/net",
  );
  expect(names).toBe(`${machineId}\n${sandboxId}\nforked 1\n127.0.1.1 ${sandboxId}\nlo\n`);
  const own = await run(child, "head -c 16 /dev/urandom | od -An -tx8; cat /proc/sys/kernel/random/uuid");
  const [inherited = "", afresh = ""] = (await run(child, "cat /tmp/drawn")).split(" ");
  return { inherited, drawn: [machineId, first, afresh, ...own.trim().split("\n")] };
}

function rootOf({ handle }: Vm): string {
  return handle.config.disks[0]?.path ?? "";
}
