import { setTimeout as sleep } from "node:timers/promises";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { LogEvent, OutputStream } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { type LogEntry, type LogPosition, LogSource } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { describe, expect, test } from "vitest";
import { realAgent } from "../guest/testing/real-agent.ts";
import { type Reply, type Script, scriptedAgent } from "../guest/testing/scripted-agent.ts";
import { responseFrame } from "../guest/testing/stand-in-agent.ts";
import { type OneVmOptions, oneVm } from "./testing/one-vm.ts";

type Vm = Awaited<ReturnType<typeof oneVm>>;

async function sandbox(script: Script, options: OneVmOptions = {}) {
  const agent = await scriptedAgent(script);
  const vm = await oneVm(agent.path, options);
  return {
    ...{ agent, vm },
    async [Symbol.asyncDispose]() {
      vm.die();
      await vm[Symbol.asyncDispose]();
      await agent[Symbol.asyncDispose]();
    },
  };
}

type ReadLogs = Parameters<Vm["monitoring"]["readLogs"]>[0];

/** The entries of a stream, until it ends or `enough`. */
async function logsOf(vm: Vm, request: ReadLogs, enough = (_: readonly LogEntry[]) => false): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  const leave = new AbortController();
  const options = { headers: vm.headers, signal: leave.signal };
  for await (const { event } of vm.monitoring.readLogs(request, options)) {
    if (event.case === "entry") entries.push(event.value);
    if (enough(entries)) break;
  }
  leave.abort();
  return entries;
}

const sourceNames = ["", "console", "agent", "process"];
const shown = ({ source, label, text, processId }: LogEntry) =>
  [sourceNames[source], label, processId, text].filter((part) => part !== "").join(" ");

describe("metrics", () => {
  const metrics = (cpuSeconds: bigint) => ({
    case: "metrics" as const,
    value: { cpuCount: 2, cpuTime: { seconds: cpuSeconds, nanos: 0 }, memoryTotalBytes: 256n, diskUsedBytes: 7n },
  });
  const pong = { case: "pong" as const, value: { uptime: { seconds: 100n, nanos: 0 } } };

  test("now are read for the call; the first share of CPUs is since boot", async () => {
    await using box = await sandbox({
      getMetrics: (_, reply) => reply.end(metrics(50n)),
      ping: (_, reply) => reply.end(pong),
    });
    const { now, history, interval } = await box.vm.monitoring.getMetrics({}, { headers: box.vm.headers });
    expect(now).toMatchObject({ cpuCount: 2, memoryTotalBytes: 256n, diskUsedBytes: 7n, cpuTime: { seconds: 50n } });
    expect(now?.cpuUsedPercent).toBeCloseTo(25, 0);
    expect([history, interval?.seconds]).toEqual([[], 3600n]);
  });

  test("before are kept, within the times asked for; an agent that does not answer once leaves a hole", async () => {
    let calls = 0;
    await using box = await sandbox(
      {
        getMetrics: (_, reply) => (++calls === 2 ? reply.socket.destroy() : reply.end(metrics(1n))),
        ping: (_, reply) => reply.end(pong),
      },
      { sampleMs: 20 },
    );
    const { headers } = box.vm;
    const history = async (request: object = {}) =>
      (await box.vm.monitoring.getMetrics(request, { headers })).history.length;
    await expect.poll(() => history()).toBeGreaterThan(2);
    const kept = (await box.vm.monitoring.getMetrics({}, { headers })).history;
    const times = kept.map(({ time }) => Number(time?.seconds) * 1000 + (time?.nanos ?? 0) / 1e6);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const second = timestampFromMs(times[1] as number);
    expect(await history({ startTime: second, endTime: second })).toBe(1);
    expect(await history({ onlyNow: true })).toBe(0);
  });

  test("that can't be are made to fit what clients can read", async () => {
    await using box = await sandbox({
      getMetrics: (_, reply) =>
        reply.end({
          case: "metrics",
          value: { memoryTotalBytes: 2n ** 64n - 1n, cpuTime: { seconds: -(2n ** 62n), nanos: -1 } },
        }),
      ping: (_, reply) => reply.end({ case: "pong", value: { uptime: { seconds: 2n ** 62n, nanos: 0 } } }),
    });
    const { now } = await box.vm.monitoring.getMetrics({}, { headers: box.vm.headers });
    expect(now).toMatchObject({ cpuUsedPercent: 0, cpuTime: { seconds: 0n, nanos: 0 } });
    expect(now?.memoryTotalBytes).toBe(BigInt(Number.MAX_SAFE_INTEGER));
  });

  test("are no longer taken of a VM that is dead", async () => {
    let calls = 0;
    const getMetrics: Script["getMetrics"] = (_, reply) => {
      calls += 1;
      reply.socket.destroy();
    };
    await using box = await sandbox({ getMetrics }, { sampleMs: 5 });
    await expect.poll(() => calls).toBeGreaterThan(2);
    box.vm.die();
    await expect.poll(() => box.vm.entry.live).toBe(undefined);
    const before = calls;
    await sleep(50); // ten samples' time: that none comes is the case under test
    expect(calls).toBeLessThanOrEqual(before + 1);
  });
});

const line = (sequence: number, message: string, more: object = {}) => ({
  case: "logLine" as const,
  value: { sequence: BigInt(sequence), level: "info", message, ...more },
});
const started = (processId: string, firstOffset = 0n) => ({
  case: "processStarted" as const,
  value: { processId, pid: 1, firstOffset, existed: true },
});
const output = (offset: bigint, text: string, stream: OutputStream = OutputStream.STDOUT) => ({
  case: "processOutput" as const,
  value: { offset, stream, data: Buffer.from(text) },
});
const exited = { case: "processExited" as const, value: { endOffset: 9n } };

/** Three sources with a little in each. */
const little: Script = {
  readLogs: ({ follow }, reply) => {
    if (!follow) reply.end(...[line(7, "seven"), line(8, "eight", { level: "warn", processId: "p1" })]);
    else reply.send(line(9, "p2 starts", { event: LogEvent.PROCESS_STARTED, processId: "p2" }));
  },
  listProcesses: (_, reply) =>
    reply.end({
      case: "processList",
      value: {
        processes: [
          { processId: "p1", pid: 1, endOffset: 9n, exited: { endOffset: 9n } },
          { processId: "run", pid: 1, endOffset: 4n },
          { processId: "mute", pid: 1, endOffset: 0n },
        ],
      },
    }),
  attachProcess: ({ process, fromOffset }, reply) => {
    const id = process?.selector.value as string;
    if (id === "run" && fromOffset === 0n) reply.send(started(id), output(0n, "r1\nr"));
    else if (id === "run") reply.send(started(id, 4n), output(4n, "2\n"));
    else if (id === "p1") reply.end(started(id), output(0n, "a\nbb"), output(4n, "E\n", OutputStream.STDERR), exited);
    else if (id === "p2") reply.end(started(id), output(0n, "new\n"), exited);
    else reply.send(started(id));
  },
};
const oneConsole = () => {
  let told = false;
  return () => {
    const text = told ? "" : "boot\nready\n";
    told = true;
    return Buffer.from(text);
  };
};
const backlog = [
  "console boot",
  "console ready",
  "agent info seven",
  "agent warn p1 eight",
  "process stdout p1 a",
  "process stderr p1 E",
  "process stdout p1 bb",
  "process stdout run r1",
];

describe("logs", () => {
  test("of all sources come one after the other, an unfinished line last", async () => {
    await using box = await sandbox(little, { readConsole: oneConsole() });
    expect((await logsOf(box.vm, {})).map(shown)).toEqual([...backlog, "process stdout run r"]);
  });

  test("can be of some sources, and of each the last lines only", async () => {
    await using box = await sandbox(little, { readConsole: oneConsole() });
    const read = async (request: ReadLogs) => (await logsOf(box.vm, request)).map(shown);
    expect(await read({ tail: 1 })).toEqual(["console ready", "agent warn p1 eight", "process stdout run r"]);
    expect(await read({ sources: [LogSource.CONSOLE] })).toEqual(["console boot", "console ready"]);
    expect(await read({ sources: [LogSource.PROCESS], tail: 2 })).toEqual([
      "process stdout run r1",
      "process stdout run r",
    ]);
    expect(await read({ tail: 0 })).toEqual([]);
  });

  test("that are followed go on with what comes, also of processes that start later", async () => {
    await using box = await sandbox(little, { readConsole: oneConsole() });
    const entries = await logsOf(box.vm, { follow: true }, ({ length }) => length === backlog.length + 3);
    expect(entries.slice(0, backlog.length).map(shown)).toEqual(backlog);
    expect(entries.slice(backlog.length).map(shown).sort()).toEqual([
      "agent info p2 p2 starts",
      "process stdout p2 new",
      "process stdout run r2",
    ]);
    await expect.poll(() => box.agent.connections.open).toBe(0); // the reader is gone, and so is what read for it
  });

  test("of an agent older than its log are the others' alone, unless it is asked for by name", async () => {
    const processes = ["old"];
    await using box = await sandbox({
      listProcesses: (_, reply) =>
        reply.end({
          case: "processList",
          value: { processes: processes.map((processId) => ({ processId, endOffset: 9n, exited: {} })) },
        }),
      attachProcess: ({ process }, reply) =>
        reply.end(started(process?.selector.value as string), output(0n, "text\n"), exited),
    });
    const texts: string[] = [];
    await logsOf(box.vm, { follow: true }, (entries) => {
      if (entries.length === 1) processes.push("new");
      texts.splice(0, texts.length, ...entries.map(shown));
      return entries.length === 2;
    });
    expect(texts).toEqual(["process stdout old text", "process stdout new text"]);
    const failure = await logsOf(box.vm, { sources: [LogSource.AGENT] }).catch((error: unknown) => error);
    expect([ConnectError.from(failure).code, problemOf(failure)?.reason]).toEqual([Code.Unimplemented, "UNKNOWN_CALL"]);
  });

  test("that nobody takes let go of the process, and lose nothing that is still there", async () => {
    const total = 3 * 1024 * 1024;
    const piece = `${"x".repeat(63)}\n`.repeat(1024);
    let attaches = 0;
    const feed = (from: bigint, reply: Reply) => {
      attaches += 1;
      reply.send(started("big", from));
      let at = Number(from);
      const more = () => {
        while (at < total) {
          const wrote = reply.socket.write(
            responseFrame({ event: output(BigInt(at), piece.slice(at % piece.length)) }),
          );
          at += piece.length - (at % piece.length);
          if (!wrote) return;
        }
        reply.socket.off("drain", more);
        reply.end({ case: "processExited", value: { endOffset: BigInt(total) } });
      };
      reply.socket.on("drain", more);
      more();
    };
    await using box = await sandbox({
      readLogs: ({ follow }, reply) =>
        follow ? reply.send(line(1, "starts", { event: LogEvent.PROCESS_STARTED, processId: "big" })) : reply.end(),
      listProcesses: (_, reply) => reply.end({ case: "processList", value: {} }),
      attachProcess: ({ fromOffset }, reply) => feed(fromOffset, reply),
    });
    const { headers } = box.vm;
    const request = { sources: [LogSource.PROCESS], follow: true };
    const stream = box.vm.monitoring.readLogs(request, { headers })[Symbol.asyncIterator]();
    let bytes = 0;
    const take = async () => {
      const { value } = await stream.next();
      if (value?.event.case === "entry") bytes += value.event.value.text.length + 1;
    };
    await take();
    // The agent's log stays open; the process is let go of while nothing is taken.
    await expect.poll(() => [attaches, box.agent.connections.open]).toEqual([1, 1]);
    while (bytes < total) await take();
    expect(bytes).toBe(total);
    expect(attaches).toBeGreaterThan(1);
    await stream.return?.();
  });

  test("tell how much output was gone before it was read", async () => {
    await using box = await sandbox({
      readLogs: (_, reply) => reply.end(),
      listProcesses: (_, reply) =>
        reply.end({ case: "processList", value: { processes: [{ processId: "p", endOffset: 105n, exited: {} }] } }),
      attachProcess: (_, reply) => reply.end(started("p", 100n), output(100n, "last\n"), exited),
    });
    expect((await logsOf(box.vm, {})).map(shown)).toEqual([
      "agent warn p 100 bytes of output were gone before they were read",
      "process stdout p last",
    ]);
  });

  test("have the output of real processes", async () => {
    await using agent = await realAgent();
    await using vm = await oneVm(agent.path);
    const run = async (text: string) => {
      const command = { case: "shell" as const, value: { line: `echo ${text}; echo ${text} >&2` } };
      for await (const _ of vm.processes.exec({ command, processId: text }, { headers: vm.headers }));
    };
    await run("before");
    const request = { sources: [LogSource.PROCESS], follow: true };
    let later: Promise<void> | undefined;
    const entries = await logsOf(vm, request, ({ length }) => {
      if (length === 2) later ??= run("after");
      return length === 4;
    });
    await later;
    expect(entries.map(shown).sort()).toEqual([
      "process stderr after after",
      "process stderr before before",
      "process stdout after after",
      "process stdout before before",
    ]);
    vm.die();
  });

  test("go on after any line, each line once, also of two streams that are written at once", async () => {
    await using agent = await realAgent();
    await using vm = await oneVm(agent.path);
    const line = `for i in 1 2 3; do
      printf "o$i "; printf "e$i\nf"; printf "p$i\nq"; printf "g$i " >&2; seq $i 40; printf "\ne$i\n" >&2
    done; head -c 9000 /dev/zero | tr '\\0' x; printf last >&2`;
    const command = { case: "shell" as const, value: { line } };
    for await (const _ of vm.processes.exec({ command, processId: "both" }, { headers: vm.headers }));
    const all = await logsOf(vm, {});
    expect(all.length).toBeGreaterThan(100);
    for (let told = 0; told <= all.length; told += told < all.length - 12 ? 7 : 1) {
      const rest = await logsOf(vm, { after: lastPositions(all.slice(0, told)) });
      expect(rest.map(shown), `after ${told}`).toEqual(all.slice(told).map(shown));
    }
    vm.die();
  });

  test("are told anew where what the client had is another past", async () => {
    const console = oneConsole();
    await using box = await sandbox(little, { readConsole: console });
    const all = await logsOf(box.vm, {});
    const [, ready, seven, , , , ended] = all;
    const after = (log: string, place: string) => ({ after: [{ log, place }] });
    const texts = async (source: LogSource, request: ReadLogs) =>
      (await logsOf(box.vm, { ...request, sources: [source] })).map(({ text }) => text);
    expect(await texts(LogSource.CONSOLE, { after: lastPositions(ready ? [ready] : []) })).toEqual([]);
    expect(await texts(LogSource.CONSOLE, after("console", `${"0".repeat(36)},2`))).toEqual(["boot", "ready"]);
    expect(seven?.position?.place).toBe("7,0.0");
    expect(await texts(LogSource.AGENT, after("agent", "7,0.0"))).toEqual(["eight"]);
    expect(await texts(LogSource.AGENT, after("agent", "7,1.0"))).toEqual(["seven", "eight"]);
    expect(ended?.position).toMatchObject({ log: "process:p1" });
    const others = ["r1", "r"];
    expect(await texts(LogSource.PROCESS, { after: lastPositions(all.slice(0, 7)) })).toEqual(others);
    expect(await texts(LogSource.PROCESS, after("process:p1", "2,9"))).toEqual(
      [...others].toSpliced(0, 0, "a", "E", "bb"),
    );
    for (const place of ["1,x", `1,${2n ** 64n}`]) {
      const unread = logsOf(box.vm, after("process:p1", place)).catch((error: unknown) => error);
      expect(problemOf(await unread)?.reason).toBe("FIELD_INVALID");
    }
  });

  test("tell where what a tail left out ends, and cut no tail off what came after a position", async () => {
    await using box = await sandbox(little, { readConsole: oneConsole() });
    const ends: string[] = [];
    for await (const { event } of box.vm.monitoring.readLogs({ tail: 1 }, { headers: box.vm.headers })) {
      if (event.case === "backlogEnd") ends.push(...event.value.positions.map(({ log }) => log));
    }
    expect(ends).toEqual(["console", "agent", "process:p1", "process:run"]);
    const after = [{ log: "agent", place: "6,0.0" }];
    expect((await logsOf(box.vm, { sources: [LogSource.AGENT], tail: 1, after })).map(shown)).toHaveLength(2);
  });
});

/** As a client keeps them. */
function lastPositions(entries: readonly LogEntry[]): LogPosition[] {
  const positions = new Map<string, LogPosition>();
  for (const { position } of entries) if (position) positions.set(position.log, position);
  return [...positions.values()];
}
