/** An agent that keeps to the wire and tells what is not so: nothing is believed that can be checked. */
import { ChangeKind, FileType } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { expect, test } from "vitest";
import { scriptedAgent } from "../guest/testing/scripted-agent.ts";
import { endFrame, standInAgent } from "../guest/testing/stand-in-agent.ts";
import { agentCalls, type Call, sandboxOf } from "./testing/agent-calls.ts";
import {
  change,
  type Event,
  exited,
  frame,
  info,
  logLine,
  output,
  page,
  port,
  processes,
  ready,
  replaced,
  started,
} from "./testing/agent-events.ts";
import { keepsNothing } from "./testing/held-memory.ts";

keepsNothing();

/** What an agent tells -> refused as a breach of the wire. */
const lies: readonly (readonly [string, keyof typeof agentCalls, readonly Event[]])[] = [
  ["a path that climbs", "statFile", [info("/a/../etc/shadow")]],
  ["a path that is not absolute", "statFile", [info("etc/shadow")]],
  ["a path with NUL", "statFile", [info("/a\0b")]],
  ["a path of 1 MiB", "statFile", [info(`/${"x".repeat(2 ** 20)}`)]],
  ["a name that is not the path's", "statFile", [info("/a", { name: "../b" })]],
  ["a link to what is no path", "statFile", [info("/a", { symlinkTarget: "../../b" })]],
  ["an owner without end", "statFile", [info("/a", { owner: "x".repeat(2 ** 20) })]],
  ["two descriptions", "statFile", [info("/a"), info("/a")]],
  ["content before the description", "readFile", [{ case: "data", value: new Uint8Array(3) }]],
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
      await using box = await sandboxOf(agent);
      const { reason, fault } = await box.failure(agentCalls[name] as Call);
      return [what, reason, fault];
    }),
  );
  expect(outcomes).toEqual(lies.map(([what]) => [what, "AGENT_UNREACHABLE", "protocol"]));
});

test("what is merely odd is made to fit", async () => {
  const odd = { mode: 0o777_7777, type: 99, targetType: FileType.OTHER, modifyTime: { seconds: 2n ** 62n, nanos: -5 } };
  await using box = await sandboxOf(
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
