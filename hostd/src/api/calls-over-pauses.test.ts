import { once } from "node:events";
import net from "node:net";
import { userInfo } from "node:os";
import { ConnectError, createContextValues } from "@connectrpc/connect";
import { FileChangeKind } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { LogSource } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { describe, expect, test } from "vitest";
import { deleteVm } from "../vm/delete-vm.ts";
import { snapshotVm } from "../vm/snapshot-vm.ts";
import { dialPort } from "./dial-port.ts";
import { lastingVm } from "./testing/lasting-vm.ts";

const user = userInfo().username;
const shell = (line: string) => ({ command: { case: "shell" as const, value: { line } }, user });

/** Output as it comes, and the exit code at the end. */
function follow(events: AsyncIterable<{ event: { case?: string | undefined; value?: unknown } }>) {
  const seen = { text: "", exitCode: undefined as number | undefined, nextOffset: 0n };
  const done = (async () => {
    for await (const { event } of events) {
      if (event.case === "output") {
        const { offset, data } = event.value as { offset: bigint; data: Uint8Array };
        if (offset !== seen.nextOffset) throw new Error(`output at ${offset} came after ${seen.nextOffset}`);
        seen.nextOffset = offset + BigInt(data.length);
        seen.text += Buffer.from(data).toString();
      }
      if (event.case === "exited") seen.exitCode = (event.value as { exitCode: number }).exitCode;
    }
  })();
  return { seen, done };
}

async function reasonOf(call: Promise<unknown>): Promise<string | undefined> {
  const error = await call.then(
    () => expect.fail("the call should have failed"),
    (reason: unknown) => ConnectError.from(reason),
  );
  return problemOf(error)?.reason;
}

async function drain(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}

const contextOf = (headers: Readonly<Record<string, string>>) => ({
  requestHeader: new Headers(headers),
  signal: AbortSignal.timeout(10_000),
  values: createContextValues(),
});

const numbers = (count: number) => Array.from({ length: count }, (_, at) => `${at + 1}\n`).join("");

describe("over pauses, resumes and snapshots", () => {
  test("an exec and a terminal go on without a lost or doubled byte", async () => {
    await using vm = await lastingVm();
    const { headers } = vm;
    const counting = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo $i; sleep 0.002; done; exit 7";
    const exec = follow(vm.processes.exec({ ...shell(counting), processId: "count" }, { headers }));
    const pty = { columns: 80, rows: 24 };
    const terminal = follow(vm.processes.exec({ ...shell("stty -echo; cat"), processId: "term", pty }, { headers }));
    const process = { selector: { case: "processId" as const, value: "term" } };
    await expect.poll(() => exec.seen.text).toContain("5\n");
    await vm.processes.sendInput({ process, offset: 0n, data: Buffer.from("before\n") }, { headers });
    await expect.poll(() => terminal.seen.text).toContain("before");
    for (let round = 1; round <= 2; round += 1) {
      const { text } = exec.seen;
      await vm.pause();
      await vm.resume();
      await expect.poll(() => exec.seen.text.length).toBeGreaterThan(text.length);
    }
    await snapshotVm(vm.host.deps, { sandboxId: "one", epoch: 3, snapshotId: "snap_1" });
    await vm.processes.sendInput({ process, offset: 7n, data: Buffer.from("after\n"), close: true }, { headers });
    await Promise.all([exec.done, terminal.done]);
    expect([exec.seen.text, exec.seen.exitCode]).toEqual([numbers(400), 7]);
    expect(terminal.seen.text.replaceAll("\r", "")).toBe("before\nafter\n");
  });

  test("watches of files and ports, and logs, go on", async () => {
    await using vm = await lastingVm();
    const { headers } = vm;
    const { path: folder } = await vm.files
      .makeDirectory({ path: `/tmp/dnah-watched-${process.pid}`, user }, { headers })
      .then(({ info }) => info ?? expect.fail());
    try {
      const stop = new AbortController();
      const options = { headers, signal: stop.signal };
      const seen = { changes: [] as string[], ports: 0, lines: [] as string[] };
      const ended = Promise.allSettled([
        (async () => {
          for await (const { event } of vm.files.watchFiles({ path: folder, user }, options)) {
            if (event.case === "change") seen.changes.push(`${event.value.kind} ${event.value.path}`);
          }
        })(),
        (async () => {
          for await (const { event } of vm.ports.watchPorts({}, options)) if (event.case === "ports") seen.ports += 1;
        })(),
        (async () => {
          const request = { sources: [LogSource.AGENT], follow: true };
          for await (const { event } of vm.monitoring.readLogs(request, options)) {
            if (event.case === "entry") seen.lines.push(event.value.text);
          }
        })(),
      ]);
      const { watchId } = await vm.files.createFileWatch({ path: folder, user }, { headers });
      await expect.poll(() => [seen.changes.length, seen.ports]).toEqual([1, 1]);
      await vm.pause();
      await vm.resume();
      await expect.poll(() => [seen.changes.at(-1), seen.ports]).toEqual([`${FileChangeKind.OVERFLOW} `, 2]);
      await vm.files.writeFile({ path: `${folder}/new`, data: Buffer.from("x"), user }, { headers });
      await drain(vm.processes.exec({ ...shell("true"), processId: "later" }, { headers }));
      await expect.poll(() => seen.changes).toContain(`${FileChangeKind.CREATED} new`);
      await expect.poll(() => seen.lines).toContain("process later exited with 0");
      const read = async () => {
        const { changes } = await vm.files.readFileWatch({ watchId, cursor: 0n }, { headers });
        return changes.map(({ path }) => path);
      };
      await expect.poll(read).toContain("new");
      stop.abort();
      await ended;
    } finally {
      await vm.files.removeFile({ path: folder, recursive: true, user }, { headers });
    }
  });

  test("a stream that waits ends when the sandbox is deleted", async () => {
    await using vm = await lastingVm();
    const exec = reasonOf(
      drain(vm.processes.exec({ ...shell("sleep 1000"), processId: "long" }, { headers: vm.headers })),
    );
    await expect.poll(() => vm.entry.uses.open).toBe(1);
    await vm.pause();
    await deleteVm(vm.host.deps, "one", 1);
    expect(await exec).toBe("SANDBOX_STATE_CONFLICT");
  });

  test("a connection to a port ends with the VM it led to", async () => {
    await using vm = await lastingVm();
    const server = net.createServer((socket) => socket.on("error", () => undefined).write("hello"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as net.AddressInfo;
    const connection = await dialPort(vm.calls, contextOf(vm.headers), port);
    connection.on("error", () => undefined);
    await once(connection, "data");
    const closed = new Promise((resolve) => connection.once("close", resolve));
    await vm.pause();
    await closed;
    expect(vm.entry.uses.open).toBe(0);
    server.close();
  });

  test("a pause waits for a call that is under way, and a call that comes meanwhile waits for the VM", async () => {
    await using vm = await lastingVm();
    const call = vm.entry.uses.begin(true);
    const pause = vm.pause();
    await expect.poll(() => vm.entry.held).toBe(true);
    const later = reasonOf(vm.processes.listProcesses({}, { headers: vm.headers }));
    expect(vm.entry.record.state).toBe("running");
    call[Symbol.dispose]();
    await pause;
    expect(await later).toBe("SANDBOX_PAUSED");
    await vm.resume();
    await vm.processes.listProcesses({}, { headers: vm.headers });
  });
});

describe("a paused VM", () => {
  test("that calls wake is woken once by ten at once, under its epoch, and serves them all", async () => {
    await using vm = await lastingVm({ autoResume: true });
    const { headers, host, entry } = vm;
    for (let round = 1; round <= 2; round += 1) {
      await vm.pause();
      const lines = Array.from({ length: 10 }, async (_, index) => {
        const exec = follow(
          vm.processes.exec({ ...shell(`echo ${index}`), processId: `r${round}-${index}` }, { headers }),
        );
        await exec.done;
        return exec.seen.text;
      });
      expect(await Promise.all(lines)).toEqual(lines.map((_, index) => `${index}\n`));
      expect(host.script.restores).toHaveLength(round);
      expect([entry.record.epoch, entry.record.wakes]).toEqual([1, round]);
    }
    await vm.pause();
    expect(await vm.files.statFile({ path: "/", user }, { headers })).toMatchObject({ info: { path: "/" } });
  });

  test("is woken by a connection to one of its ports", async () => {
    await using vm = await lastingVm({ autoResume: true });
    const server = net.createServer((socket) => socket.on("error", () => undefined).end("hello"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as net.AddressInfo;
    await vm.pause();
    const connection = await dialPort(vm.calls, contextOf(vm.headers), port);
    expect(String((await once(connection, "data"))[0])).toBe("hello");
    expect(vm.entry.uses.open).toBe(1); // it is in use as long as this is open
    connection.destroy();
    await expect.poll(() => vm.entry.uses.open).toBe(0);
    server.close();
  });

  test("that calls don't wake says that it is paused, and is woken by nothing", async () => {
    await using vm = await lastingVm();
    await vm.pause();
    const { headers } = vm;
    const calls: Promise<unknown>[] = [
      drain(vm.processes.exec(shell("true"), { headers })),
      vm.processes.listProcesses({}, { headers }),
      drain(vm.files.watchFiles({ path: "/", user }, { headers })),
    ];
    for (const call of calls) expect(await reasonOf(call)).toBe("SANDBOX_PAUSED");
    expect(vm.host.script.restores).toEqual([]);
  });

  test("that can't be woken says why, and is paused as it was", async () => {
    await using vm = await lastingVm({ autoResume: true });
    await vm.pause();
    const { step } = vm.host.script;
    vm.host.script.step = async (at, ...rest) => {
      if (at === "restore") throw new Error("no");
      await step(at, ...rest);
    };
    expect(await reasonOf(vm.processes.listProcesses({}, { headers: vm.headers }))).toBe("RESTORE_FAILED");
    expect(vm.entry.record).toMatchObject({ state: "paused", epoch: 1 });
    vm.host.script.step = step;
    await vm.processes.listProcesses({}, { headers: vm.headers });
    expect(vm.entry.record.state).toBe("running");
  });
});
