import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@daytonah/gen/daytonah/v1/error_pb.ts";
import { ExitKind, OutputStream } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { describe, expect, test } from "vitest";
import { accessOf } from "../edge/testing/open-edge.ts";
import { realAgent } from "../guest/testing/real-agent.ts";
import { standInAgent } from "../guest/testing/stand-in-agent.ts";
import { oneVm } from "./testing/one-vm.ts";

type Vm = Awaited<ReturnType<typeof oneVm>>;
type ExecInit = Parameters<Vm["processes"]["exec"]>[0];

const shell = (line: string) => ({ command: { case: "shell" as const, value: { line } } }) satisfies ExecInit;

async function run(vm: Vm, request: ExecInit) {
  const text = { [OutputStream.STDOUT]: "", [OutputStream.STDERR]: "" } as Record<number, string>;
  const cases: string[] = [];
  let exited: { kind: ExitKind; exitCode: number; endOffset: bigint } | undefined;
  let started: { processId: string; existed: boolean } | undefined;
  for await (const { event } of vm.processes.exec(request, { headers: vm.headers })) {
    cases.push(event.case ?? "");
    if (event.case === "started") started = event.value;
    if (event.case === "output") text[event.value.stream] += Buffer.from(event.value.data).toString();
    if (event.case === "exited") exited = event.value;
  }
  return { stdout: text[OutputStream.STDOUT], stderr: text[OutputStream.STDERR], cases, started, exited };
}

async function failureOf(call: Promise<unknown>) {
  const error = await call.then(
    () => expect.fail("the call should have failed"),
    (reason: unknown) => ConnectError.from(reason),
  );
  const info = error.findDetails(ErrorInfoSchema)[0];
  return { code: error.code, reason: problemOf(error)?.reason, field: info?.violations[0]?.field, info };
}

test("a relayed call that came with an earlier access token is refused, one with an API key is not", async () => {
  await using agent = await realAgent();
  await using vm = await oneVm(agent.path);
  await vm.registry.setAccess(vm.entry, accessOf("token", 3, { tokenGeneration: 2 }));
  const list = (headers: object) => vm.processes.listProcesses({}, { headers: { ...vm.headers, ...headers } });
  const refused = await failureOf(list({ "sandbox-token-generation": "1" }));
  expect([refused.code, refused.reason]).toEqual([Code.Unauthenticated, "CREDENTIAL_INVALID"]);
  // A newer one: whoever relays heard of it first.
  for (const headers of [{}, { "sandbox-token-generation": "2" }, { "sandbox-token-generation": "3" }]) {
    await list(headers);
  }
});

describe("exec on the real agent", () => {
  test("streams both outputs and the exit code", async () => {
    await using agent = await realAgent();
    await using vm = await oneVm(agent.path);
    const ran = await run(vm, shell("echo out; echo err >&2; exit 3"));
    expect([ran.stdout, ran.stderr, ran.exited?.exitCode]).toEqual(["out\n", "err\n", 3]);
    expect(ran.exited?.kind).toBe(ExitKind.EXITED);
    expect([ran.cases[0], ran.cases.at(-1)]).toEqual(["started", "exited"]);
    expect(ran.started?.processId).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("hands 20 MiB on, whole and in order, to a slow reader", async () => {
    await using agent = await realAgent();
    await using vm = await oneVm(agent.path);
    let offset = 0n;
    const line = "head -c 20971520 /dev/zero";
    for await (const { event } of vm.processes.exec(shell(line), { headers: vm.headers })) {
      if (event.case !== "output") continue;
      expect(event.value.offset).toBe(offset);
      offset += BigInt(event.value.data.length);
      if (offset % 16n === 0n) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(offset).toBe(20_971_520n);
  });

  test("takes numbered input, and a repeat changes nothing", async () => {
    await using agent = await realAgent();
    await using vm = await oneVm(agent.path);
    const running = run(vm, { ...shell("cat"), processId: "cat1", stdin: true });
    const process = { selector: { case: "processId" as const, value: "cat1" } };
    const { headers } = vm;
    const send = (offset: bigint, text: string, close = false) =>
      vm.processes.sendInput({ process, offset, data: Buffer.from(text), close }, { headers });
    await expect
      .poll(() =>
        send(0n, "ab").then(
          (sent) => sent.nextOffset,
          () => 0n,
        ),
      )
      .toBe(2n);
    expect((await send(0n, "ab")).nextOffset).toBe(2n);
    const gap = await failureOf(send(9n, "x"));
    expect([gap.code, gap.reason, gap.info?.metadata.expected_offset]).toEqual([Code.OutOfRange, "INPUT_GAP", "2"]);
    await send(2n, "cd", true);
    expect((await running).stdout).toBe("abcd");
  });

  test("ends by a signal", async () => {
    await using agent = await realAgent();
    await using vm = await oneVm(agent.path);
    const running = run(vm, { ...shell("sleep 30"), processId: "sleeper" });
    const process = { selector: { case: "processId" as const, value: "sleeper" } };
    const kill = () => vm.processes.signalProcess({ process, signal: 15 }, { headers: vm.headers });
    await expect
      .poll(() =>
        kill().then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    const { exited } = await running;
    expect([exited?.kind, exited?.exitCode]).toEqual([ExitKind.SIGNALED, 143]);
  });

  test("goes on where its connection to the agent breaks", async () => {
    await using agent = await realAgent();
    await using vm = await oneVm(agent.path);
    const line = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done";
    let text = "";
    const cases: string[] = [];
    for await (const { event } of vm.processes.exec(shell(line), { headers: vm.headers })) {
      cases.push(event.case ?? "");
      if (event.case !== "output") continue;
      text += Buffer.from(event.value.data).toString();
      if (text === "1\n2\n") agent.front.breakAll();
    }
    expect(text).toBe("1\n2\n3\n4\n5\n6\n");
    expect(cases.filter((name) => name === "started")).toHaveLength(1);
  });

  test("lives on where its client goes away, and can be attached to", async () => {
    await using agent = await realAgent();
    await using vm = await oneVm(agent.path);
    const controller = new AbortController();
    const request = { ...shell("echo a; sleep 0.3; echo b"), processId: "long" };
    const options = { headers: vm.headers, signal: controller.signal };
    await expect(async () => {
      for await (const { event } of vm.processes.exec(request, options))
        if (event.case === "output") controller.abort();
    }).rejects.toThrow();
    const process = { selector: { case: "processId" as const, value: "long" } };
    let text = "";
    for await (const { event } of vm.processes.attachProcess({ process }, { headers: vm.headers })) {
      if (event.case === "output") text += Buffer.from(event.value.data).toString();
    }
    expect(text).toBe("a\nb\n");
    const { processes } = await vm.processes.listProcesses({ includeExited: true }, { headers: vm.headers });
    expect(processes.map((one) => [one.processId, one.exited?.exitCode])).toEqual([["long", 0]]);
  });

  test("runs on a terminal whose size changes", async () => {
    await using agent = await realAgent();
    await using vm = await oneVm(agent.path);
    const { headers } = vm;
    const process = { selector: { case: "processId" as const, value: "tty" } };
    const request = { ...shell("read _; stty size"), processId: "tty", pty: { columns: 70, rows: 20 } };
    let text = "";
    for await (const { event } of vm.processes.exec(request, { headers })) {
      if (event.case === "started") {
        const { processes } = await vm.processes.listProcesses({}, { headers });
        expect(processes[0]?.pty).toMatchObject({ columns: 70, rows: 20 });
        await vm.processes.resizePty({ process, size: { columns: 90, rows: 30 } }, { headers });
        await vm.processes.sendInput({ process, data: Buffer.from("\n") }, { headers });
      }
      if (event.case !== "output") continue;
      expect(event.value.stream).toBe(OutputStream.PTY);
      text += Buffer.from(event.value.data).toString();
    }
    expect(text).toBe("\r\n30 90\r\n");
  });

  test("that starts detached ends its stream, not its program, and keeps as much output as asked for", async () => {
    await using agent = await realAgent();
    await using vm = await oneVm(agent.path);
    const request = { ...shell("head -c 300000 /dev/zero"), processId: "d", detach: true, replayBytes: 65_536n };
    expect((await run(vm, request)).cases).toEqual(["started"]);
    const process = { selector: { case: "processId" as const, value: "d" } };
    await expect
      .poll(async () => (await vm.processes.listProcesses({}, { headers: vm.headers })).processes)
      .toEqual([]);
    const attached: bigint[] = [];
    for await (const { event } of vm.processes.attachProcess({ process }, { headers: vm.headers })) {
      if (event.case === "started") attached.push(event.value.firstOffset);
      if (event.case === "exited") attached.push(event.value.endOffset);
    }
    expect(attached).toEqual([300_000n - 65_536n, 300_000n]);
  });

  test("takes the environment that was set for later processes", async () => {
    await using agent = await realAgent();
    await using vm = await oneVm(agent.path);
    const { headers } = vm;
    const first = await vm.processes.setEnvironment({ set: { ONE: "1", TWO: "2" }, replace: true }, { headers });
    expect(first.env).toMatchObject({ ONE: "1", TWO: "2" });
    await vm.processes.setEnvironment({ set: { TWO: "zwei" }, unset: ["ONE"] }, { headers });
    const { env } = await vm.processes.getEnvironment({}, { headers });
    expect([env.ONE, env.TWO]).toEqual([undefined, "zwei"]);
    expect((await run(vm, shell('echo "$ONE:$TWO"'))).stdout).toBe(":zwei\n");
  });

  const bad: [string, ExecInit, string, string | undefined][] = [
    ["a working directory that is not there", { ...shell("pwd"), cwd: "/nonexistent" }, "CWD_NOT_FOUND", "cwd"],
    ["a user that is not there", { ...shell("id"), user: "nobody-such" }, "USER_NOT_FOUND", "user"],
    [
      "a program that is not there",
      { command: { case: "argv", value: { args: ["no-such-program"] } } },
      "COMMAND_NOT_FOUND",
      undefined,
    ],
    ["a NUL in the line", shell("a\0b"), "FIELD_INVALID", "shell.line"],
  ];
  test.each(bad)("with %s is a typed error", async (_, request, reason, field) => {
    await using agent = await realAgent();
    await using vm = await oneVm(agent.path);
    const failure = await failureOf(run(vm, request));
    expect([failure.code, failure.reason]).toEqual([Code.InvalidArgument, reason]);
    if (field) expect(failure.field).toBe(field);
    expect(failure.info?.nextStep).not.toBe("");
  });

  test("ends with VM_DIED within a second of the VM's end", async () => {
    await using agent = await realAgent();
    await using vm = await oneVm(agent.path);
    const failure = failureOf(run(vm, { ...shell("sleep 30"), processId: "p" }));
    await expect.poll(() => agent.front.connections.open).toBe(1);
    const began = performance.now();
    vm.die();
    const { code, reason } = await failure;
    expect([code, reason]).toEqual([Code.Aborted, "VM_DIED"]);
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(vm.entry.record.state).toBe("running"); // until it is on disk
    await expect.poll(() => vm.entry.record.state).toBe("failed");
    const later = await failureOf(run(vm, shell("true")));
    expect(later.reason).toBe("VM_DIED");
  });
});

describe("exec", () => {
  test("on an agent that is gone while the VM lives is AGENT_UNREACHABLE", async () => {
    await using agent = await standInAgent((_, socket) => socket.destroy());
    await using vm = await oneVm(agent.path);
    const { code, reason } = await failureOf(run(vm, shell("true")));
    expect([code, reason]).toEqual([Code.Unavailable, "AGENT_UNREACHABLE"]);
    expect(agent.connections.made).toBeGreaterThan(1);
  });

  test.each([
    ["no sandbox named", {}, Code.InvalidArgument, "FIELD_INVALID"],
    ["a sandbox that is not here", { "sandbox-id": "other" }, Code.NotFound, "SANDBOX_NOT_FOUND"],
    ["an old epoch", { "sandbox-id": "sbx1", "sandbox-epoch": "6" }, Code.Aborted, "SANDBOX_STATE_CONFLICT"],
  ])("with %s is a typed error", async (_, headers, code, reason) => {
    await using vm = await oneVm("/nonexistent");
    const call = async () => {
      for await (const _event of vm.processes.exec(shell("true"), { headers }));
    };
    const failure = await failureOf(call());
    expect([failure.code, failure.reason]).toEqual([code, reason]);
  });
});
