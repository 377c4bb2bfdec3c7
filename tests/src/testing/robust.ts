/** A sandbox under programs that misbehave and clients that don't read. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, ErrorReason } from "@daytonah/gen/daytonah/v1/error_pb.ts";
import { ExitKind, OutputStream } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Api } from "./api.ts";
import { childRunning } from "./machine.ts";
import { type OwnSandbox, ownSandbox } from "./own-sandbox.ts";

export interface RobustSizes {
  readonly execsAtOnce: number;
  /** Written by a program whose client reads slowly. */
  readonly slowBytes: number;
}

const mib = 1024 * 1024;

export function robustSuite({ execsAtOnce, slowBytes }: RobustSizes): void {
  let sandbox: OwnSandbox;
  let api: Api;
  let here: OwnSandbox["here"];
  let run: OwnSandbox["run"];

  beforeAll(async () => {
    sandbox = await ownSandbox();
    ({ api, here, run } = sandbox);
  });
  afterAll(() => sandbox?.[Symbol.asyncDispose]());

  const command = (line: string) => ({ command: { case: "shell" as const, value: { line } } });
  const exitOf = async (line: string, user = "") => {
    for await (const { event } of api.processes.exec({ ...command(line), user }, here())) {
      if (event.case === "exited") return event.value;
    }
    throw new Error("the stream ended without `exited`");
  };
  const alive = async () => expect((await run("echo alive")).output).toBe("alive\n");

  test(`${execsAtOnce} execs at once all come back, each with its own output`, async () => {
    const all = await Promise.all(
      Array.from({ length: execsAtOnce }, (_, index) => run(`echo ${index}; exit ${index % 7}`)),
    );
    expect(all).toEqual(all.map((_, index) => ({ output: `${index}\n`, exitCode: index % 7 })));
    expect((await api.processes.listProcesses({}, here())).processes).toEqual([]);
  });

  test("a fork bomb does not take the agent, and can be ended", async () => {
    const bomb = { ...command(":(){ :|:& };:; sleep 1000"), processId: "bomb", detach: true };
    for await (const _ of api.processes.exec(bomb, here()));
    await sleep(1_000); // that it goes off is the case under test
    const { processes } = await api.processes.listProcesses({}, here());
    expect(processes.map(({ processId }) => processId)).toContain("bomb");
    const selector = { case: "processId" as const, value: "bomb" };
    await expect
      .poll(async () => {
        await api.processes.signalProcess({ process: { selector }, signal: 9 }, here()).catch(() => undefined);
        return run("pgrep -c bash").then(
          ({ output }) => Number(output) < 5,
          () => false, // no process to be had yet
        );
      })
      .toBe(true);
    await alive();
  });

  test("a program that takes all memory is ended, and its exit says why", async () => {
    // Two thirds are set aside whole first: an emulated processor takes longer over each page than over all the rest.
    const setAside = (pages: number) => exitOf(`echo ${pages} > /proc/sys/vm/nr_hugepages`, "root");
    expect((await setAside(150)).exitCode).toBe(0);
    const line = `exec python3 -c 'kept = []
while True: kept.append(bytearray(16 * 2**20))'`;
    expect((await exitOf(line)).kind).toBe(ExitKind.OUT_OF_MEMORY);
    await setAside(0);
    await alive();
  });

  test("a full disk is GUEST_NO_SPACE, and leaves no half file", async () => {
    await run("fallocate -l $(($(df --output=avail -B1 . | tail -1) - 200000)) filler");
    const data = new Uint8Array(mib);
    const failure = await api.files.writeFile({ path: "big", data }, here()).then(
      () => expect.fail("there should be no room"),
      (error: unknown) => ConnectError.from(error),
    );
    expect(failure.code).toBe(Code.ResourceExhausted);
    expect(failure.findDetails(ErrorInfoSchema)[0]?.reason).toBe(ErrorReason.GUEST_NO_SPACE);
    expect((await run("ls -A | grep big; rm filler; echo done")).output).toBe("done\n");
    await api.files.writeFile({ path: "big", data }, here());
  });

  test("a program that closes its output and lives on ends when it ends", async () => {
    const began = performance.now();
    expect((await exitOf("exec >&- 2>&-; sleep 2; exit 5")).exitCode).toBe(5);
    expect(performance.now() - began).toBeGreaterThan(1_900);
  });

  test("bytes of any value come through both outputs unharmed", async () => {
    const parts: Record<number, Uint8Array[]> = { [OutputStream.STDOUT]: [], [OutputStream.STDERR]: [] };
    const line = `python3 -c 'import sys
for out in (sys.stdout, sys.stderr): out.buffer.write(bytes(range(256)) * 300)'`;
    for await (const { event } of api.processes.exec(command(line), here())) {
      if (event.case === "output") parts[event.value.stream]?.push(event.value.data);
    }
    const expected = Buffer.concat(
      Array.from({ length: 300 }, () => Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))),
    );
    for (const stream of [OutputStream.STDOUT, OutputStream.STDERR]) {
      expect(Buffer.concat(parts[stream] ?? []).equals(expected)).toBe(true);
    }
  });

  test(`${slowBytes / mib} MiB for a client that reads slowly grow neither daemon nor agent`, async () => {
    const hostd = childRunning(Number(process.env.DNAH_TEST_UP_PID), "hostd/src/main.ts");
    const server = childRunning(Number(process.env.DNAH_TEST_UP_PID), "server/src/main.ts");
    if (!hostd || !server) throw new Error("the platform has no daemon");
    const sizes = async () => ({
      hostd: residentMib(hostd.pid),
      server: residentMib(server.pid),
      agent: Number((await run("awk '/VmRSS/ {print int($2 / 1024)}' /proc/1/status")).output),
    });
    const before = await sizes();
    let bytes = 0;
    let pieces = 0;
    for await (const { event } of api.processes.exec(command(`head -c ${slowBytes} /dev/zero`), here())) {
      if (event.case !== "output") continue;
      bytes += event.value.data.length;
      if (++pieces % 128 === 0) await sleep(50); // slower than it is written
    }
    expect(bytes).toBe(slowBytes);
    const after = await sizes();
    for (const who of ["hostd", "server"] as const) expect(after[who] - before[who], who).toBeLessThan(96);
    expect(after.agent - before.agent, "agent").toBeLessThan(8);
  });

  test("readers that vanish leave nothing behind, and their programs run on", async () => {
    const ticking = { ...command("while sleep 0.1; do echo tick; done"), processId: "ticking" };
    const process = { selector: { case: "processId" as const, value: "ticking" } };
    const watch = async (stream: (signal: AbortSignal) => AsyncIterable<unknown>) => {
      const leave = new AbortController();
      try {
        for await (const _ of stream(leave.signal)) leave.abort();
      } catch {
        // It left.
      }
    };
    await watch((signal) => api.processes.exec(ticking, here(signal)));
    await Promise.all(
      Array.from({ length: 20 }, () =>
        Promise.all([
          watch((signal) => api.processes.attachProcess({ process }, here(signal))),
          watch((signal) => api.monitoring.readLogs({ follow: true }, here(signal))),
          watch((signal) => api.files.watchFiles({ path: "/tmp" }, here(signal))),
          watch((signal) => api.ports.watchPorts({}, here(signal))),
        ]),
      ),
    );
    // The agent has a thread for each connection, and a few for itself.
    const threads = async () => Number((await run("ls /proc/1/task | wc -l")).output);
    await expect.poll(threads).toBeLessThan(12);
    expect((await api.processes.listProcesses({}, here())).processes.map(({ processId }) => processId)).toEqual([
      "ticking",
    ]);
    await api.processes.signalProcess({ process, signal: 9 }, here());
    await alive();
  });
}

function residentMib(pid: number): number {
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024);
}
