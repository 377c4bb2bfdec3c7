/** Single faults on the whole platform, each with what its client is told. */
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, ErrorReason } from "@daytonah/gen/daytonah/v1/error_pb.ts";
import { SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { expect, test } from "vitest";
import { connectApi, inSandbox, shell } from "./testing/api.ts";
import { entries, vmProcesses as vmProcessesOf } from "./testing/machine.ts";

const { DNAH_TEST_FIRST_UID, DNAH_TEST_DATA_DIR } = process.env;
const firstUid = Number(DNAH_TEST_FIRST_UID);

const vmProcesses = () => vmProcessesOf(firstUid);
const vmmOf = (id: string) => vmProcesses().find(({ argv }) => argv.some((word) => word.includes(`guest=${id}`)));

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within 10 s: ${what}`);
    await sleep(20);
  }
}

test("a VMM killed under a running exec ends it with VM_DIED within a second, and nothing is left", async () => {
  const api = connectApi();
  const { sandbox } = await api.sandboxes.createSandbox({});
  const id = sandbox?.id as string;
  const vmm = vmmOf(id);
  if (!vmm) throw new Error("the sandbox has no VMM");

  let killedAt = 0;
  const events: (string | undefined)[] = [];
  const command = { case: "shell" as const, value: { line: "echo up; sleep 60" } };
  const failure = await (async () => {
    for await (const { event } of api.processes.exec({ command }, inSandbox(id))) {
      events.push(event.case);
      if (event.case !== "output") continue;
      killedAt = performance.now();
      process.kill(vmm.pid, "SIGKILL");
    }
  })().then(
    () => undefined,
    (error: unknown) => ConnectError.from(error),
  );
  const toldAfterMs = performance.now() - killedAt;

  expect(events).toEqual(["started", "output"]);
  expect(failure?.code).toBe(Code.Aborted);
  const info = failure?.findDetails(ErrorInfoSchema)[0];
  expect(info?.reason).toBe(ErrorReason.VM_DIED);
  expect(info?.nextStep).toMatch(/^Resume the sandbox/);
  // The bound, not a speed: a client that is told later has waited for a time-out.
  expect(toldAfterMs).toBeLessThan(1000);

  await until("the sandbox is failed", async () => {
    const now = (await api.sandboxes.getSandbox({ sandboxId: id })).sandbox;
    return now?.state === SandboxState.FAILED && now.failure?.reason === "VM_DIED";
  });
  await until("its processes are gone", () => vmProcesses().every(({ uid }) => uid !== vmm.uid));
  const refused = await shell(api, id, "true").catch((error: unknown) => ConnectError.from(error));
  expect((refused as ConnectError).findDetails(ErrorInfoSchema)[0]?.reason).toBe(ErrorReason.SANDBOX_NOT_RUNNING);
  await api.sandboxes.deleteSandbox({ sandboxId: id });
  expect(entries(`${DNAH_TEST_DATA_DIR}/hostd/vms`)).not.toContain(id);
});

test("a client that leaves during a create leaves no VM", async () => {
  const api = connectApi();
  const leaving = new AbortController();
  const create = api.sandboxes
    .createSandbox({}, { signal: leaving.signal })
    .catch((error: unknown) => ConnectError.from(error).code);
  await until("the VMM runs", () => vmProcesses().some(({ argv }) => argv[0]?.includes("qemu")));
  leaving.abort();
  expect(await create).toBe(Code.Canceled);
  await until("the VMM is gone", () => vmProcesses().length === 0);
  await until("its disk is gone", () => entries(`${DNAH_TEST_DATA_DIR}/hostd/vms`).length === 0);
  const { sandboxes } = await api.sandboxes.listSandboxes({});
  expect(sandboxes).toEqual([]);
});

test("a flood of output is held back by a client that does not read, and the sandbox lives", async () => {
  const api = connectApi();
  const { sandbox } = await api.sandboxes.createSandbox({});
  const id = sandbox?.id as string;
  try {
    const stalled = api.processes.exec(
      { command: { case: "shell", value: { line: "yes" } }, processId: "flood" },
      inSandbox(id),
    );
    const reader = stalled[Symbol.asyncIterator]();
    await reader.next();
    await sleep(2000); // nothing reads for a while: that is the case under test
    const { output } = await shell(api, id, "ps -o stat= -C yes | head -1; echo alive");
    expect(output).toMatch(/^S[^\n]*\nalive\n$/); // asleep in its write: held back, not run on
    await api.processes.signalProcess(
      { process: { selector: { case: "processId", value: "flood" } }, signal: 9 },
      inSandbox(id),
    );
    await reader.return?.();
  } finally {
    await api.sandboxes.deleteSandbox({ sandboxId: id });
  }
});
