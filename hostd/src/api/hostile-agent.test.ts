/** Whatever an agent answers: each call ends typed, believes nothing it can check, and leaves neither memory nor connections. */
import type net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  ChangeKind,
  FileType,
  LogEvent,
  OutputStream,
  type ResponseSchema,
} from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { LogSource, MonitoringService } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { PortService } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Reply, type Script, scriptedAgent } from "../guest/testing/scripted-agent.ts";
import { endFrame, responseFrame, type StandInAgent, standInAgent } from "../guest/testing/stand-in-agent.ts";
import { oneVm } from "./testing/one-vm.ts";

type Vm = Awaited<ReturnType<typeof oneVm>>;
type Event = NonNullable<MessageInitShape<typeof ResponseSchema>["event"]>;
interface Options {
  readonly headers: Record<string, string>;
  readonly timeoutMs: number;
}
type Call = (vm: Vm, options: Options) => Promise<unknown>;

const process = { selector: { case: "processId" as const, value: "p" } };
const command = { case: "shell" as const, value: { line: "true" } };
const piece = { uploadId: "u", offset: 0n, last: true };
const data = new Uint8Array(3);

async function all(stream: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of stream) count += 1;
  return count;
}

/** Every rpc that asks the agent; some in more than one way. */
const calls: Readonly<Record<string, Call>> = {
  exec: (vm, o) => all(vm.processes.exec({ command }, o)),
  attachProcess: (vm, o) => all(vm.processes.attachProcess({ process }, o)),
  sendInput: (vm, o) => vm.processes.sendInput({ process, data }, o),
  signalProcess: (vm, o) => vm.processes.signalProcess({ process, signal: 9 }, o),
  listProcesses: (vm, o) => vm.processes.listProcesses({}, o),
  resizePty: (vm, o) => vm.processes.resizePty({ process, size: { columns: 9, rows: 9 } }, o),
  getEnvironment: (vm, o) => vm.processes.getEnvironment({}, o),
  setEnvironment: (vm, o) => vm.processes.setEnvironment({ set: { A: "b" } }, o),
  readFile: (vm, o) => all(vm.files.readFile({ path: "/a" }, o)),
  writeFile: (vm, o) => vm.files.writeFile({ path: "/a", data }, o),
  "writeFile of a piece": (vm, o) => vm.files.writeFile({ path: "/a", data, piece }, o),
  statFile: (vm, o) => vm.files.statFile({ path: "/a" }, o),
  listDirectory: (vm, o) => all(vm.files.listDirectory({ path: "/a" }, o)),
  makeDirectory: (vm, o) => vm.files.makeDirectory({ path: "/a" }, o),
  moveFile: (vm, o) => vm.files.moveFile({ source: "/a", destination: "/b" }, o),
  removeFile: (vm, o) => vm.files.removeFile({ path: "/a" }, o),
  setAttributes: (vm, o) => vm.files.setAttributes({ path: "/a", mode: 0o600 }, o),
  watchFiles: (vm, o) => all(vm.files.watchFiles({ path: "/a" }, o)),
  createFileWatch: (vm, o) => vm.files.createFileWatch({ path: "/a" }, o),
  searchFiles: (vm, o) => all(vm.files.searchFiles({ path: "/a", limit: 3 }, o)),
  replaceInFiles: (vm, o) => vm.files.replaceInFiles({ paths: ["/a", "/b"], pattern: "x" }, o),
  listPorts: (vm, o) => vm.ports.listPorts({}, o),
  watchPorts: (vm, o) => all(vm.ports.watchPorts({}, o)),
  getMetrics: (vm, o) => vm.monitoring.getMetrics({}, o),
  "readLogs of the agent": (vm, o) => all(vm.monitoring.readLogs({ sources: [LogSource.AGENT], follow: true }, o)),
  "readLogs of processes": (vm, o) => all(vm.monitoring.readLogs({ sources: [LogSource.PROCESS] }, o)),
};

/** They only look at what the daemon has. */
const withoutAgent = ["readFileWatch", "deleteFileWatch"];

test("the table has every call there is", () => {
  const methods = [ProcessService, FileService, PortService, MonitoringService].flatMap((service) =>
    service.methods.map(({ localName }) => localName),
  );
  expect([...new Set(Object.keys(calls).map((name) => name.split(" ")[0])), ...withoutAgent].sort()).toEqual(
    methods.sort(),
  );
});

async function sandbox(agent: StandInAgent) {
  const vm = await oneVm(agent.path);
  return {
    ...{ agent, vm },
    failure: async (call: Call, timeoutMs = patienceMs) => {
      const error = await call(vm, { headers: vm.headers, timeoutMs }).then(
        (answer) => expect.fail(`the call should have failed: ${answer}`),
        (reason: unknown) => reason,
      );
      const { code } = ConnectError.from(error);
      const known = problemOf(error);
      return { code, reason: known?.reason, fault: known?.options.metadata?.fault };
    },
    async [Symbol.asyncDispose]() {
      vm.die();
      await vm[Symbol.asyncDispose]();
      await agent[Symbol.asyncDispose]();
    },
  };
}

/** After a collection. */
function memory(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { heapUsed, arrayBuffers } = globalThis.process.memoryUsage();
  return heapUsed + arrayBuffers;
}

let before: number;
beforeAll(() => {
  before = memory();
});
afterAll(() => {
  expect(memory() - before).toBeLessThan(24 * 1024 * 1024);
});

const heartbeat: Event = { case: "heartbeat", value: {} };
const frame = (event: Event) => responseFrame({ event });

function repeat(socket: net.Socket, next: () => Buffer, goesOn = () => true): void {
  const more = () => {
    while (!socket.destroyed && goesOn() && socket.write(next()));
  };
  socket.on("drain", more);
  more();
}

type Misdeed = readonly [what: string, answer: (socket: net.Socket) => unknown, outcome: object, timeoutMs: number];

/** Of a client that waits for the daemon's verdict. */
const patienceMs = 15_000;

describe.concurrent("an agent that", () => {
  const bytes = (...values: number[]) => Buffer.from(values);
  const unreachable = (fault: string) => ({ code: Code.Unavailable, reason: "AGENT_UNREACHABLE", fault });
  const late = { code: Code.DeadlineExceeded, reason: undefined, fault: undefined };

  const misdeeds: readonly Misdeed[] = [
    ["says nothing", () => undefined, late, 300],
    ["says it lives for ever", (socket) => repeat(socket, () => frame(heartbeat)), late, 300],
    ["closes", (socket) => socket.end(), unreachable("broken"), patienceMs],
    ["sends a torn frame", (socket) => socket.end(bytes(100, 1, 2)), unreachable("broken"), patienceMs],
    [
      "announces a frame over the limit",
      (socket) => socket.write(bytes(0xff, 0xff, 0xff, 0x7f)),
      unreachable("protocol"),
      patienceMs,
    ],
    [
      "sends what is no message",
      (socket) => socket.write(bytes(3, 255, 255, 255)),
      unreachable("protocol"),
      patienceMs,
    ],
    [
      "answers another call",
      (socket) => socket.write(frame({ case: "pong", value: {} })),
      unreachable("protocol"),
      patienceMs,
    ],
    [
      "refuses for a reason that nobody knows",
      (socket) =>
        socket.write(frame({ case: "end", value: { error: { reason: 4711 as never, message: "\u001b[31m" } } })),
      { code: Code.Internal, reason: "INTERNAL", fault: undefined },
      patienceMs,
    ],
  ];

  test.concurrent.for(misdeeds)(
    "%s ends every call, and keeps no connection",
    async ([_, answer, expected, timeoutMs], context) => {
      await using box = await sandbox(await standInAgent((__, socket) => void answer(socket)));
      const outcomes = await Promise.all(
        Object.entries(calls).map(async ([name, call]) => [name, await box.failure(call, timeoutMs)] as const),
      );
      expect(Object.fromEntries(outcomes)).toEqual(
        Object.fromEntries(Object.keys(calls).map((name) => [name, expected])),
      );
      await context.expect.poll(() => box.agent.connections.open).toBe(0);
    },
  );
});

const file = (path: string, more: object = {}) => ({
  ...{ path, name: path.slice(path.lastIndexOf("/") + 1) },
  ...more,
});
const info = (path: string, more: object = {}): Event => ({ case: "fileInfo", value: file(path, more) });
const page = (...paths: string[]): Event => ({ case: "fileList", value: { files: paths.map((path) => file(path)) } });
const change = (kind: ChangeKind, path = "x"): Event => ({ case: "fileChange", value: { kind, path } });
const ready = change(ChangeKind.READY);
const started = (processId = "p"): Event => ({ case: "processStarted", value: { processId, pid: 1 } });
const output = (offset: number, size: number): Event => ({
  case: "processOutput",
  value: { offset: BigInt(offset), stream: OutputStream.STDOUT, data: new Uint8Array(size) },
});
const exited: Event = { case: "processExited", value: {} };
const port = (number: number, address = "::"): Event => ({
  case: "portList",
  value: { ports: [{ port: number, address }] },
});
const replaced = (path: string): Event => ({ case: "fileReplaced", value: { path, replacements: 1n } });
const logLine = (sequence: number, more: object = {}): Event => ({
  case: "logLine",
  value: { sequence: BigInt(sequence), level: "info", message: "m", ...more },
});
const processes = (processId: string): Event => ({ case: "processList", value: { processes: [{ processId }] } });

/** What an agent tells -> refused as a breach of the wire. */
const lies: readonly (readonly [string, keyof typeof calls, readonly Event[]])[] = [
  ["a path that climbs", "statFile", [info("/a/../etc/shadow")]],
  ["a path that is not absolute", "statFile", [info("etc/shadow")]],
  ["a path with NUL", "statFile", [info("/a\0b")]],
  ["a path of 1 MiB", "statFile", [info(`/${"x".repeat(2 ** 20)}`)]],
  ["a name that is not the path's", "statFile", [info("/a", { name: "../b" })]],
  ["a link to what is no path", "statFile", [info("/a", { symlinkTarget: "../../b" })]],
  ["an owner without end", "statFile", [info("/a", { owner: "x".repeat(2 ** 20) })]],
  ["two descriptions", "statFile", [info("/a"), info("/a")]],
  ["content before the description", "readFile", [{ case: "data", value: data }]],
  ["a piece of 1 MiB and a byte", "readFile", [info("/a"), { case: "data", value: new Uint8Array(2 ** 20 + 1) }]],
  ["two descriptions of a file written", "writeFile", [info("/a"), info("/a")]],
  ["an entry of another directory", "listDirectory", [page("/a/x", "/ab/x")]],
  ["an entry that climbs", "listDirectory", [page("/a/x/../../b")]],
  ["a page of 1,001 entries", "listDirectory", [page(...Array.from({ length: 1001 }, (_, index) => `/a/${index}`))]],
  ["pages with nothing in them", "listDirectory", [page(), page()]],
  ["something found elsewhere", "searchFiles", [page("/b")]],
  ["more than was asked for", "searchFiles", [page("/a/1", "/a/2", "/a/3"), page("/a/4")]],
  ["a match elsewhere", "searchFiles", [{ case: "textMatch", value: { path: "/b/c", line: 1n } }]],
  ["a line of 1 MiB", "searchFiles", [{ case: "textMatch", value: { path: "/a/c", text: "x".repeat(2 ** 20) } }]],
  ["a change before the watch is set", "watchFiles", [change(ChangeKind.CREATED)]],
  ["a watch that is set twice", "watchFiles", [ready, ready]],
  ["a change that climbs", "watchFiles", [ready, change(ChangeKind.CREATED, "../x")]],
  ["a change somewhere else", "watchFiles", [ready, change(ChangeKind.CREATED, "/etc")]],
  ["a change of no kind", "watchFiles", [ready, change(99 as never)]],
  ["a change before a polled watch is set", "createFileWatch", [change(ChangeKind.WRITTEN)]],
  ["a file that was not to be replaced", "replaceInFiles", [replaced("/a"), replaced("/etc/passwd")]],
  ["fewer files than were asked for", "replaceInFiles", [replaced("/a")]],
  ["more files than were asked for", "replaceInFiles", [replaced("/a"), replaced("/b"), replaced("/c")]],
  ["port 0", "listPorts", [port(0)]],
  ["port 65536", "watchPorts", [port(65536)]],
  ["an address that is none", "listPorts", [port(80, "evil\r\n")]],
  ["a process with a path for a name", "listProcesses", [processes("../x")]],
  ["a process with a name of 1 MiB", "attachProcess", [started("x".repeat(2 ** 20))]],
  ["output before the start", "exec", [output(0, 1)]],
  ["an end before the start", "attachProcess", [exited]],
  ["more output at once than there can be", "exec", [started(), output(0, 65537)]],
  ["an end of a stream without the end of its process", "exec", [started(), output(0, 1)]],
  ["less input than it was given", "sendInput", [{ case: "inputAccepted", value: { nextOffset: 2n } }]],
  ["log lines that go back", "readLogs of the agent", [logLine(5), logLine(5)]],
  ["a log line of a process with a path for a name", "readLogs of the agent", [logLine(5, { processId: "../x" })]],
  ["a process to read logs of, with a path for a name", "readLogs of processes", [processes("../x")]],
];

test("an agent that tells what can't be is not believed", { timeout: 30_000 }, async () => {
  const outcomes = await Promise.all(
    lies.map(async ([what, name, events]) => {
      const agent = await standInAgent((_, socket) => void socket.end(Buffer.concat([...events.map(frame), endFrame])));
      await using box = await sandbox(agent);
      const { reason, fault } = await box.failure(calls[name] as Call);
      return [what, reason, fault];
    }),
  );
  expect(outcomes).toEqual(lies.map(([what]) => [what, "AGENT_UNREACHABLE", "protocol"]));
});

test("what is merely odd is made to fit", async () => {
  const odd = { mode: 0o777_7777, type: 99, targetType: FileType.OTHER, modifyTime: { seconds: 2n ** 62n, nanos: -5 } };
  await using box = await sandbox(
    await scriptedAgent({
      statFile: (_, reply) => reply.end(info("/a", odd)),
      listProcesses: (_, reply) =>
        reply.end({
          case: "processList",
          value: {
            processes: [{ processId: "p", exited: { kind: 77 as never, runTime: { seconds: -5n, nanos: 0 } } }],
          },
        }),
    }),
  );
  const { headers } = box.vm;
  const { info: shown } = await box.vm.files.statFile({ path: "/a" }, { headers });
  expect(shown).toMatchObject({ mode: 0o7777, type: FileType.UNSPECIFIED });
  expect(shown?.modifyTime).toBeUndefined();
  const { processes } = await box.vm.processes.listProcesses({}, { headers });
  expect(processes[0]?.exited).toMatchObject({ kind: 0 });
  expect(processes[0]?.exited?.runTime).toBeUndefined();
});

/** Right answers without end, as fast as they are taken. */
const floods: Readonly<Record<string, { readonly call: Call; readonly script: Script }>> = {
  "output of a process": {
    call: calls.exec as Call,
    script: { startProcess: (_, reply) => flood(reply, [started()], (index) => output(index * 65536, 65536)) },
  },
  "the same output again and again": {
    call: calls.attachProcess as Call,
    script: { attachProcess: (_, reply) => flood(reply, [started()], () => output(0, 65536)) },
  },
  "a file": {
    call: calls.readFile as Call,
    script: {
      readFile: (_, reply) => flood(reply, [info("/a")], () => ({ case: "data", value: new Uint8Array(2 ** 20) })),
    },
  },
  "a directory": {
    call: calls.listDirectory as Call,
    script: {
      listDirectory: (_, reply) => {
        const full = page(...Array.from({ length: 1000 }, (__, index) => `/a/${"n".repeat(200)}${index}`));
        flood(reply, [], () => full);
      },
    },
  },
  "changes of files": {
    call: calls.watchFiles as Call,
    script: { watchFiles: (_, reply) => flood(reply, [ready], () => change(ChangeKind.WRITTEN, "x".repeat(4000))) },
  },
  "changes that nobody polls": {
    call: async (vm, options) => {
      await vm.files.createFileWatch({ path: "/a" }, options);
      await new Promise((resolve) => setTimeout(resolve, options.timeoutMs));
      throw new ConnectError("time is over", Code.DeadlineExceeded);
    },
    script: { watchFiles: (_, reply) => flood(reply, [ready], () => change(ChangeKind.WRITTEN, "x".repeat(4000))) },
  },
  "lists of ports": {
    call: calls.watchPorts as Call,
    script: {
      watchPorts: (_, reply) => {
        const ports = Array.from({ length: 10_000 }, (__, index) => ({ port: index + 1, address: "::" }));
        flood(reply, [], () => ({ case: "portList", value: { ports } }));
      },
    },
  },
  "log lines": {
    call: calls["readLogs of the agent"] as Call,
    script: {
      readLogs: ({ follow, fromSequence }, reply) =>
        follow
          ? flood(reply, [], (index) => logLine(Number(fromSequence) + index, { message: "x".repeat(4000) }))
          : reply.end(),
    },
  },
  "processes that start": {
    call: (vm, options) => all(vm.monitoring.readLogs({ sources: [LogSource.PROCESS], follow: true }, options)),
    script: {
      listProcesses: (_, reply) => reply.end({ case: "processList", value: {} }),
      attachProcess: (_, reply) => reply.send(started()),
      readLogs: ({ follow, fromSequence }, reply) => {
        const start = (index: number) =>
          logLine(Number(fromSequence) + index, { event: LogEvent.PROCESS_STARTED, processId: `p${index}` });
        if (follow) flood(reply, [], start);
        else reply.end();
      },
    },
  },
};

/** Whether agents go on with their floods. */
let flooding = true;

function flood(reply: Reply, first: readonly Event[], next: (index: number) => Event): void {
  let index = 0;
  reply.send(...first);
  repeat(
    reply.socket,
    () => frame(next(index++)),
    () => flooding,
  );
}

describe("a flood of", () => {
  test.each(Object.entries(floods))(
    "%s grows nothing, and ends with its client's time",
    async (_, { call, script }) => {
      await using box = await sandbox(await scriptedAgent(script));
      const start = memory();
      flooding = true;
      const ended = box.failure(call, 3_000);
      await sleep(300);
      flooding = false;
      // What is under way falls to whoever is slower, client or agent, which live in this process, too; what is kept stays.
      await expect.poll(() => memory() - start, { timeout: 2_500 }).toBeLessThan(32 * 1024 * 1024);
      expect((await ended).code).toBe(Code.DeadlineExceeded);
      box.vm.die();
      await expect.poll(() => box.agent.connections.open).toBe(0);
    },
  );

  test("a backlog of log lines without end is refused", async () => {
    await using box = await sandbox(await scriptedAgent({ readLogs: (_, reply) => flood(reply, [], logLine) }));
    flooding = true;
    const failure = await box.failure((vm, options) =>
      all(vm.monitoring.readLogs({ sources: [LogSource.AGENT], tail: 1 }, options)),
    );
    expect(failure).toMatchObject({ reason: "AGENT_UNREACHABLE", fault: "protocol" });
  });
});
