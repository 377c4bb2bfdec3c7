/**
 * What the platform can't beat on this host: a VM started by the driver alone, and calls to its agent without any of us in
 * between. Prints one JSON document; `verify/perf-quick.sh` sets it beside the platform's own times.
 *
 *   boot       driver's boot until the agent answers a ping
 *   echo       dial of the vsock and one frame echoed by the agent
 *   exec       a call to the agent that runs /bin/true, without any of us in between
 *   forkExec   the guest's own part of that: /bin/true from its start to its end
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { chmod, chown } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { type AgentClient, agentPort, createAgentClient } from "../guest/agent-client.ts";
import { awaitAgent } from "../guest/await-agent.ts";
import { applyCopy, probeCopyMethod } from "../host/disk/apply.ts";
import { createCommandRunner } from "../host/exec.ts";
import type { Bundle } from "../images/bundle.ts";
import { guestCmdline } from "../vm/guest-cmdline.ts";
import { createQemuDriver } from "../vmm/qemu/driver.ts";
import type { VmConfig } from "../vmm/vmm.ts";

/** No daemon gives this uid to a VM: their ranges end before it. */
const benchUid = 2_147_483_646;
const calls = 100;

const { values } = parseArgs({
  options: {
    bundle: { type: "string" },
    "vhost-device-vsock": { type: "string", default: "vhost-device-vsock" },
    boots: { type: "string", default: "5" },
    "memory-mib": { type: "string", default: "512" },
  },
});
if (values.bundle === undefined) throw new Error("--bundle is missing: name the folder with bundle.json");
const bundleDir = values.bundle;
const bundle = JSON.parse(readFileSync(join(bundleDir, "bundle.json"), "utf8")) as Bundle;
const runner = createCommandRunner();
const { signal } = new AbortController();
const vmm = createQemuDriver({
  runner,
  qemuBinary: `qemu-system-${bundle.architecture}`,
  vhostDeviceVsockBinary: values["vhost-device-vsock"],
  architecture: bundle.architecture,
  memoryDir: "/dev/shm/dnah-bench",
});

const times = { boot: [] as number[], echo: [] as number[], exec: [] as number[], forkExec: [] as number[] };
for (let n = 0; n < Number(values.boots); n += 1) {
  const last = n === Number(values.boots) - 1;
  await measureVm(last);
}
console.log(JSON.stringify(times));
process.exit(0);

async function measureVm(withCalls: boolean): Promise<void> {
  const dir = mkdtempSync("/run/dnah-bench-");
  const disks = mkdtempSync("/var/tmp/dnah-bench-");
  try {
    const config = await prepare(dir, disks);
    const began = performance.now();
    const vm = await vmm.boot(config, { signal });
    const agent = createAgentClient({ path: vm.vsockPath, port: agentPort });
    await awaitAgent(agent, { signal });
    times.boot.push(performance.now() - began);
    if (withCalls) await measureCalls(agent);
    await vm.kill();
  } finally {
    await vmm.sweep({ dir, uid: benchUid });
    rmSync(dir, { recursive: true, force: true });
    rmSync(disks, { recursive: true, force: true });
  }
}

/** Copies made beforehand: a floor knows nothing of disks. */
async function prepare(dir: string, disks: string): Promise<VmConfig> {
  await chmod(disks, 0o711);
  await chown(dir, 0, benchUid);
  await chmod(dir, 0o710);
  const method = await probeCopyMethod(disks);
  const owner = { uid: benchUid, gid: benchUid };
  const copyOf = async (file: string, mode: number) => {
    const target = join(disks, file);
    await applyCopy(runner, { source: join(bundleDir, file), target, owner, mode }, method, { signal });
    return target;
  };
  const template = bundle.templates[0];
  if (template === undefined) throw new Error(`${bundleDir} has no template`);
  return {
    id: "bench",
    dir,
    uid: benchUid,
    gid: benchUid,
    vcpus: 1,
    memoryMib: Number(values["memory-mib"]),
    kernel: await copyOf(bundle.kernel.file, 0o400),
    initramfs: await copyOf(bundle.initramfs.file, 0o400),
    cmdline: guestCmdline(bundle.moduleDisk.filesystem),
    disks: [
      { id: "root", path: await copyOf(template.file, 0o600), readonly: false },
      { id: "modules", path: await copyOf(bundle.moduleDisk.file, 0o400), readonly: true },
    ],
  };
}

async function measureCalls(agent: AgentClient): Promise<void> {
  for (let n = 0; n < calls; n += 1) {
    const began = performance.now();
    await agent.unary({ case: "ping", value: {} }, "pong", { signal });
    times.echo.push(performance.now() - began);
  }
  for (let n = 0; n < calls; n += 1) {
    const began = performance.now();
    const value = { processId: `bench${n}`, command: { case: "argv" as const, value: { args: ["/bin/true"] } } };
    using stream = await agent.open({ case: "startProcess", value }, { signal });
    for (;;) {
      const event = await stream.next();
      if (event === undefined) break;
      if (event.case !== "processExited") continue;
      times.forkExec.push(event.value.runTime ? durationMs(event.value.runTime) : 0);
    }
    times.exec.push(performance.now() - began);
  }
}
