/**
 * What the platform can't beat on this host when it keeps a VM and brings it back: the driver's own snapshots and restores, by
 * hand. Prints one JSON document; `verify/perf-quick.sh` sets it beside the platform's own figures. All in ms.
 *
 *   echo          dial of the vsock and one frame echoed by the agent
 *   forkExec      /bin/true in the guest, from its start to its end
 *   writeDown     a running VM is stopped and its memory written down
 *   window        the same, until it runs again and its agent answers
 *   restore       one VM from a snapshot until its agent answers
 *   restoreMany   ten of them, eight at a time as the platform does, until the last one's agent answers
 *   restoreEach   each of those ten
 *   personalize   the agent alone takes on a new identity, for the first time after a restore
 *   kill          the end of a VM
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { AgentClient } from "../guest/agent-client.ts";
import { personalize, type VmEvent } from "../vm/personalize.ts";
import type { Vm } from "../vmm/vmm.ts";
import { exec, ping } from "./agent-calls.ts";
import { openBenchHost } from "./bench-host.ts";
import { agentOf } from "./bench-vm.ts";

const { signal } = new AbortController();
const atOnce = 8;
const calls = 50;

const { values } = parseArgs({
  options: {
    bundle: { type: "string" },
    "vhost-device-vsock": { type: "string", default: "vhost-device-vsock" },
    "memory-mib": { type: "string", default: "256" },
    rounds: { type: "string", default: "10" },
    /** How often ten are restored. */
    "many-rounds": { type: "string", default: "3" },
  },
});
if (values.bundle === undefined) throw new Error("--bundle is missing: name the folder with bundle.json");

const host = await openBenchHost({
  bundleDir: values.bundle,
  vhostDeviceVsock: values["vhost-device-vsock"],
  memoryMib: Number(values["memory-mib"]),
});
const memory = join(host.scratchDir, "memory");
const disk = join(host.scratchDir, "disk");
const rounds = Number(values.rounds);
try {
  const ofParent = await measureParent();
  const restores = await restoreOneByOne();
  const tens = await restoreTens(Number(values["many-rounds"]));
  console.log(JSON.stringify({ ...ofParent, ...restores, ...tens }));
} finally {
  await host[Symbol.asyncDispose]();
}
process.exit(0);

/** Its last snapshot is what all restores begin with. */
async function measureParent() {
  const vm = await host.vmm.boot(await host.prepare(0), { signal });
  const agent = await agentOf(vm);
  await takeOn(agent, 0, "started");
  const echo: number[] = [];
  const forkExec: number[] = [];
  const writeDown: number[] = [];
  const window: number[] = [];
  for (let n = 0; n < calls; n += 1) {
    echo.push((await timed(() => ping(agent)))[1]);
    forkExec.push(await exec(agent, ["/bin/true"]));
  }
  for (let n = 0; n < rounds; n += 1) {
    const began = performance.now();
    writeDown.push((await timed(() => keep(vm)))[1]);
    await vm.resume({ signal });
    await agentOf(vm);
    window.push(performance.now() - began);
  }
  await keep(vm);
  await host.copy(join(host.scratchDir, "0/root"), disk);
  await vm.kill();
  return { echo, forkExec, writeDown, window };
}

async function keep(vm: Vm): Promise<void> {
  rmSync(memory, { recursive: true, force: true });
  mkdirSync(memory);
  await vm.pause({ signal });
  await vm.snapshot(memory, { signal });
}

async function restoreOneByOne() {
  const restore: number[] = [];
  const personalizeMs: number[] = [];
  const kill: number[] = [];
  for (let n = 0; n < rounds; n += 1) {
    const config = await host.prepare(1, disk);
    const [vm, restoreMs] = await timed(() => host.vmm.restore(config, memory, { signal }));
    const [agent, agentMs] = await timed(() => agentOf(vm));
    restore.push(restoreMs + agentMs);
    personalizeMs.push((await timed(() => takeOn(agent, 1, "forked")))[1]);
    kill.push((await timed(() => vm.kill()))[1]);
  }
  return { restore, personalize: personalizeMs, kill };
}

async function restoreTens(times: number) {
  const restoreMany: number[] = [];
  const restoreEach: number[] = [];
  for (let n = 0; n < times; n += 1) {
    const configs = [];
    for (let slot = 1; slot <= 10; slot += 1) configs.push(await host.prepare(slot, disk));
    const queue = configs.values();
    const vms: Vm[] = [];
    const work = async () => {
      // One iterator for all workers: each takes the next one.
      for (const config of queue) {
        const [vm, ms] = await timed(() => host.vmm.restore(config, memory, { signal }));
        const [, agentMs] = await timed(() => agentOf(vm));
        vms.push(vm);
        restoreEach.push(ms + agentMs);
      }
    };
    restoreMany.push((await timed(() => Promise.all(Array.from({ length: atOnce }, work))))[1]);
    await Promise.all(vms.map((vm) => vm.kill()));
  }
  return { restoreMany, restoreEach };
}

async function takeOn(agent: AgentClient, slot: number, event: VmEvent): Promise<void> {
  const plan = { sandboxId: `bench${slot}`, epoch: 1 };
  const told = { event, keepEnvironment: event === "forked", env: {}, requestId: "" };
  await personalize({ now: () => new Date() }, agent, plan, told, { signal });
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const began = performance.now();
  const result = await work();
  return [result, performance.now() - began];
}
