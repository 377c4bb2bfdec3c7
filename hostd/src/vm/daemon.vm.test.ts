/** The daemon as a process, with real microVMs. */
import { createHash, randomInt } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { VmState } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { describe, expect, test } from "vitest";
import { edgeClients } from "../edge/testing/open-edge.ts";
import { processesOfUid } from "../host/process-table.ts";
import { type Clients, type TestDaemon, type TestHost, testHost } from "../testing/daemon.ts";
import { uidsInUse } from "./host-uids.ts";
import { uidsPerDaemon } from "./uid-range.ts";
import type { VmRecord } from "./vm-record.ts";

const memoryDir = "/dev/shm/daytonah-test";

function vmHost(): Promise<TestHost> {
  const { DNAH_TEST_BUNDLE, DNAH_VHOST_DEVICE_VSOCK } = process.env;
  if (!DNAH_TEST_BUNDLE || !DNAH_VHOST_DEVICE_VSOCK) {
    throw new Error("DNAH_TEST_BUNDLE and DNAH_VHOST_DEVICE_VSOCK must be set; `npm test` builds both and sets them");
  }
  return testHost({ DNAH_BUNDLE: DNAH_TEST_BUNDLE, DNAH_VHOST_DEVICE_VSOCK, DNAH_MEMORY_DIR: memoryDir });
}

const vm = (sandboxId: string, epoch = 1n) => ({ sandboxId, epoch, template: "base", vcpus: 1, memoryMib: 256 });

async function run(clients: Clients, sandboxId: string, line: string, processId = "") {
  let text = "";
  let exitCode: number | undefined;
  const request = { command: { case: "shell" as const, value: { line } }, processId };
  for await (const { event } of clients.processes.exec(request, { headers: { "sandbox-id": sandboxId } })) {
    if (event.case === "output") text += Buffer.from(event.value.data).toString();
    if (event.case === "exited") exitCode = event.value.exitCode;
  }
  return { text, exitCode };
}

async function failureOf(call: Promise<unknown>) {
  const error = await call.then(
    () => expect.fail("the call should have failed"),
    (reason: unknown) => ConnectError.from(reason),
  );
  return { code: error.code, reason: problemOf(error)?.reason, metadata: problemOf(error)?.options.metadata };
}

/** All that a VM can leave on its host. */
async function leftovers(host: TestHost) {
  const first = Number(await readFile(join(host.dataDir, "first-uid"), "latin1"));
  const uids = [...(await uidsInUse(first, uidsPerDaemon))];
  const memory = (await readdir(memoryDir).catch(() => [])).map(Number);
  return {
    vms: await readdir(join(host.dataDir, "vms")),
    runDirs: await readdir(join(host.runDir, "vm")),
    processes: uids.flatMap((uid) => processesOfUid(uid)).map(({ name }) => name),
    memory: memory.filter((uid) => uid >= first && uid < first + uidsPerDaemon),
  };
}

const nothing = { vms: [], runDirs: [], processes: [], memory: [] };

async function recordOf(host: TestHost, sandboxId: string): Promise<VmRecord> {
  return JSON.parse(await readFile(join(host.dataDir, "vms", sandboxId, "vm.json"), "utf8")) as VmRecord;
}

describe("a host with real VMs", () => {
  test("runs programs and keeps files, and a delete leaves nothing", async () => {
    await using host = await vmHost();
    await using daemon = await host.start();
    const { clients } = daemon;
    const { vm: started, stages } = await clients.host.startVm(vm("one"));
    expect(started).toMatchObject({ sandboxId: "one", epoch: 1n, state: VmState.RUNNING });
    expect(stages.map(({ stage }) => stage)).toEqual(["disk", "vmm", "agent", "personalize"]);
    const again = await clients.host.startVm(vm("one"));
    expect(again.vm?.state).toBe(VmState.RUNNING);

    expect(await run(clients, "one", "python3 -c 'print(6 * 7)'; whoami; hostname")).toEqual({
      text: "42\nuser\none\n",
      exitCode: 0,
    });
    const headers = { "sandbox-id": "one" };
    const data = Buffer.alloc(300_000, "data");
    await clients.files.writeFile({ path: "notes/a.txt", data }, { headers });
    const parts: Uint8Array[] = [];
    for await (const { part } of clients.files.readFile({ path: "~/notes/a.txt" }, { headers })) {
      if (part.case === "data") parts.push(part.value);
    }
    expect(Buffer.concat(parts).equals(data)).toBe(true);

    await clients.host.deleteVm({ sandboxId: "one", epoch: 1n });
    expect(await leftovers(host)).toEqual(nothing);
    await clients.host.deleteVm({ sandboxId: "one", epoch: 1n });
    const late = await failureOf(clients.host.startVm(vm("one")));
    expect([late.code, late.reason]).toEqual([Code.FailedPrecondition, "SANDBOX_NOT_RUNNING"]);
  });

  test("ends calls with VM_DIED within a second when a VMM is killed, and keeps the disk until the delete", async () => {
    await using host = await vmHost();
    await using daemon = await host.start();
    const { clients } = daemon;
    await clients.host.startVm(vm("one"));
    const stream = failureOf(run(clients, "one", "while sleep 0.05; do echo tick; done"));
    const silent = failureOf(run(clients, "one", "sleep 100"));
    await sleep(500);
    const record = await recordOf(host, "one");
    if (record.state !== "running") expect.fail("it should run");
    const killed = performance.now();
    process.kill(record.handle.pid, "SIGKILL");
    expect(await stream).toMatchObject({ code: Code.Aborted, reason: "VM_DIED" });
    expect(await silent).toMatchObject({ code: Code.Aborted, reason: "VM_DIED" });
    expect(performance.now() - killed).toBeLessThan(1_000);
    await expect.poll(async () => (await leftovers(host)).processes).toEqual([]);
    const died = [{ sandboxId: "one", state: VmState.FAILED, failureReason: "VM_DIED" }];
    // Its calls end before its record is on disk.
    await expect.poll(async () => (await clients.host.listVms({})).vms).toMatchObject(died);
    expect(await readdir(join(host.dataDir, "vms/one"))).toContain("root.ext4");
    await clients.host.deleteVm({ sandboxId: "one", epoch: 1n });
    expect(await leftovers(host)).toEqual(nothing);
  });

  test("keeps its VMs, their processes and data when the daemon is killed", async () => {
    await using host = await vmHost();
    const first = await host.start();
    await first.clients.host.startVm(vm("one"));
    await run(first.clients, "one", "echo kept > f && sync");
    const long = run(first.clients, "one", "sleep 3; echo done", "long").catch(() => undefined);
    await sleep(300);
    await first.end("SIGKILL");
    await long;

    await using second = await host.start();
    const { clients } = second;
    expect((await clients.host.listVms({})).vms).toMatchObject([{ sandboxId: "one", state: VmState.RUNNING }]);
    expect((await run(clients, "one", "cat f")).text).toBe("kept\n");
    const process = { selector: { case: "processId" as const, value: "long" } };
    let text = "";
    for await (const { event } of clients.processes.attachProcess({ process }, { headers: { "sandbox-id": "one" } })) {
      if (event.case === "output") text += Buffer.from(event.value.data).toString();
    }
    expect(text).toBe("done\n");
    await clients.host.deleteVm({ sandboxId: "one", epoch: 1n });
    expect(await leftovers(host)).toEqual(nothing);
  });

  test("lets the same visitors in at its edge after it was killed", async () => {
    await using host = await vmHost();
    const tokenSha256 = createHash("sha256").update("token-1").digest();
    const access = { version: 4n, tokenGeneration: 2n, tokenSha256, signingKey: new Uint8Array(32), publicPorts: [80] };
    const visit = async ({ clients }: TestDaemon, token: string) => {
      const { edgeUrl } = await clients.host.getHost({});
      const headers = { "x-api-key": token, "sandbox-id": "one" };
      return run({ ...clients, ...edgeClients(edgeUrl, "connect over HTTP/2", headers) }, "one", "hostname");
    };
    {
      await using daemon = await host.start();
      await daemon.clients.host.startVm({ ...vm("one"), access });
      expect(await visit(daemon, "token-1")).toEqual({ text: "one\n", exitCode: 0 });
      await daemon.end("SIGKILL");
    }
    await using daemon = await host.start();
    const { vms } = await daemon.clients.host.listVms({});
    expect(vms).toMatchObject([{ sandboxId: "one", state: VmState.RUNNING, accessVersion: 4n }]);
    expect(await visit(daemon, "token-1")).toEqual({ text: "one\n", exitCode: 0 });
    expect(await failureOf(visit(daemon, "token-2"))).toMatchObject({ reason: "CREDENTIAL_INVALID" });
    await daemon.clients.host.deleteVm({ sandboxId: "one", epoch: 1n });
    expect(await leftovers(host)).toEqual(nothing);
  });

  test("leaks nothing when the daemon is killed in the middle of a start", async () => {
    await using host = await vmHost();
    for (const afterMs of [20, 400, 1_000 + randomInt(1_500)]) {
      const sandboxId = `s${afterMs}`;
      const daemon = await host.start();
      const start = daemon.clients.host.startVm(vm(sandboxId)).catch(() => undefined);
      await sleep(afterMs);
      await daemon.end("SIGKILL");
      await start;

      await using next = await host.start();
      const { vms } = await next.clients.host.listVms({});
      const state = vms.find((one) => one.sandboxId === sandboxId)?.state;
      expect([VmState.FAILED, VmState.RUNNING, undefined]).toContain(state);
      if (state === VmState.FAILED) expect({ ...(await leftovers(host)), vms: [] }).toEqual(nothing);
      await next.clients.host.deleteVm({ sandboxId, epoch: 1n });
      expect(await leftovers(host)).toEqual(nothing);
    }
  });

  test("a delete ends a start that is under way", async () => {
    await using host = await vmHost();
    await using daemon = await host.start();
    const start = failureOf(daemon.clients.host.startVm(vm("one")));
    await sleep(800);
    await daemon.clients.host.deleteVm({ sandboxId: "one", epoch: 1n });
    expect(await start).toMatchObject({ code: Code.Aborted, reason: "SANDBOX_STATE_CONFLICT" });
    expect(await leftovers(host)).toEqual(nothing);
  });
});
