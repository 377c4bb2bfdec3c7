/** An agent that breaks the wire or says nothing: each call ends typed, and leaves neither memory nor connections. */
import type net from "node:net";
import { Code } from "@connectrpc/connect";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { MonitoringService } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { PortService } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { describe, expect, test } from "vitest";
import { standInAgent } from "../guest/testing/stand-in-agent.ts";
import { agentCalls, patienceMs, sandboxOf } from "./testing/agent-calls.ts";
import { frame, heartbeat, repeat } from "./testing/agent-events.ts";
import { keepsNothing } from "./testing/held-memory.ts";

keepsNothing();

/** They only look at what the daemon has. */
const withoutAgent = ["readFileWatch", "deleteFileWatch"];

test("the table has every call there is", () => {
  const methods = [ProcessService, FileService, PortService, MonitoringService].flatMap((service) =>
    service.methods.map(({ localName }) => localName),
  );
  expect([...new Set(Object.keys(agentCalls).map((name) => name.split(" ")[0])), ...withoutAgent].sort()).toEqual(
    methods.sort(),
  );
});

type Misdeed = readonly [what: string, answer: (socket: net.Socket) => unknown, outcome: object, timeoutMs: number];

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
      await using box = await sandboxOf(await standInAgent((__, socket) => void answer(socket)));
      const outcomes = await Promise.all(
        Object.entries(agentCalls).map(async ([name, call]) => [name, await box.failure(call, timeoutMs)] as const),
      );
      expect(Object.fromEntries(outcomes)).toEqual(
        Object.fromEntries(Object.keys(agentCalls).map((name) => [name, expected])),
      );
      await context.expect.poll(() => box.agent.connections.open).toBe(0);
    },
  );
});
