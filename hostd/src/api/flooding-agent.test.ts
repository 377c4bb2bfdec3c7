/** An agent that never stops: nothing of it is kept, and each call ends with its client's time. */
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { ChangeKind, LogEvent } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { LogSource } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { describe, expect, test } from "vitest";
import { type Reply, type Script, scriptedAgent } from "../guest/testing/scripted-agent.ts";
import { agentCalls, all, type Call, sandboxOf } from "./testing/agent-calls.ts";
import {
  change,
  type Event,
  frame,
  info,
  logLine,
  output,
  page,
  ready,
  repeat,
  started,
} from "./testing/agent-events.ts";
import { heldBytes, keepsNothing } from "./testing/held-memory.ts";

keepsNothing();

/** Right answers without end, as fast as they are taken. */
const floods: Readonly<Record<string, { readonly call: Call; readonly script: Script }>> = {
  "output of a process": {
    call: agentCalls.exec as Call,
    script: { startProcess: (_, reply) => flood(reply, [started()], (index) => output(index * 65536, 65536)) },
  },
  "the same output again and again": {
    call: agentCalls.attachProcess as Call,
    script: { attachProcess: (_, reply) => flood(reply, [started()], () => output(0, 65536)) },
  },
  "a file": {
    call: agentCalls.readFile as Call,
    script: {
      readFile: (_, reply) => flood(reply, [info("/a")], () => ({ case: "data", value: new Uint8Array(2 ** 20) })),
    },
  },
  "a directory": {
    call: agentCalls.listDirectory as Call,
    script: {
      listDirectory: (_, reply) => {
        const full = page(...Array.from({ length: 1000 }, (__, index) => `/a/${"n".repeat(200)}${index}`));
        flood(reply, [], () => full);
      },
    },
  },
  "changes of files": {
    call: agentCalls.watchFiles as Call,
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
    call: agentCalls.watchPorts as Call,
    script: {
      watchPorts: (_, reply) => {
        const ports = Array.from({ length: 10_000 }, (__, index) => ({ port: index + 1, address: "::" }));
        flood(reply, [], () => ({ case: "portList", value: { ports } }));
      },
    },
  },
  "log lines": {
    call: agentCalls["readLogs of the agent"] as Call,
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
      await using box = await sandboxOf(await scriptedAgent(script));
      const start = await heldBytes();
      flooding = true;
      const ended = box.failure(call, 3_000);
      await sleep(300);
      flooding = false;
      // What is under way falls to whoever is slower, client or agent, which live in this process, too; what is kept stays.
      await expect.poll(async () => (await heldBytes()) - start, { timeout: 2_500 }).toBeLessThan(32 * 1024 * 1024);
      expect((await ended).code).toBe(Code.DeadlineExceeded);
      box.vm.die();
      await expect.poll(() => box.agent.connections.open).toBe(0);
    },
  );

  test("a backlog of log lines without end is refused", async () => {
    await using box = await sandboxOf(await scriptedAgent({ readLogs: (_, reply) => flood(reply, [], logLine) }));
    flooding = true;
    const failure = await box.failure((vm, options) =>
      all(vm.monitoring.readLogs({ sources: [LogSource.AGENT], tail: 1 }, options)),
    );
    expect(failure).toMatchObject({ reason: "AGENT_UNREACHABLE", fault: "protocol" });
  });
});
