/** ProcessService of the fake platform. */
import { create } from "@bufbuild/protobuf";
import { durationMs, timestampNow } from "@bufbuild/protobuf/wkt";
import { Code, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  type AttachProcessResponse,
  type ExecRequest,
  ExecResponseSchema,
  type ProcessSelector,
  type ProcessService,
} from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { fakeError } from "./fake-error.ts";
import { FakeProcess } from "./fake-process.ts";
import { fakePrograms } from "./fake-programs.ts";
import type { FakeSandbox, FakeState } from "./fake-state.ts";

export function fakeProcessService(platform: FakeState): Partial<ServiceImpl<typeof ProcessService>> {
  const { faults } = platform;
  const find = (context: HandlerContext, selector: ProcessSelector | undefined) => {
    const all = [...platform.dataPlane(context).processes.values()];
    const process = all.findLast(({ options, exited }) => {
      switch (selector?.selector.case) {
        case "processId":
          return options.id === selector.selector.value;
        case "pid":
          return options.pid === selector.selector.value;
        default:
          return options.tag === selector?.selector.value && !exited;
      }
    });
    if (process) return process;
    throw fakeError(Code.NotFound, "PROCESS_NOT_FOUND", `There is no process ${String(selector?.selector.value)}.`);
  };
  return {
    exec: faults.stream(async function* (request, context) {
      const sandbox = platform.dataPlane(context);
      const existing = sandbox.processes.get(request.processId);
      const running = events(existing ?? start(sandbox, request), 0, existing !== undefined);
      for await (const event of running) {
        yield event;
        if (request.detach) return;
      }
    }),
    attachProcess: faults.stream(async function* (request, context) {
      const process = find(context, request.process);
      const from = request.fromEnd ? process.endOffset : Number(request.fromOffset);
      for await (const event of events(process, from, true)) yield event as unknown as AttachProcessResponse;
    }),
    sendInput: faults.unary((request, context) => {
      const process = find(context, request.process);
      const missing = Number(request.offset) - process.inputOffset;
      if (missing > 0) {
        throw fakeError(Code.OutOfRange, "INPUT_GAP", "Input came out of order.", {
          metadata: { expected_offset: String(process.inputOffset) },
        });
      }
      const fresh = request.data.subarray(-missing);
      if (process.inputClosed && (fresh.length > 0 || !request.close)) {
        throw fakeError(Code.FailedPrecondition, "INPUT_CLOSED", "Standard input is closed.");
      }
      if (fresh.length > 0 || request.close) process.input(new Uint8Array(fresh), request.close);
      return { nextOffset: BigInt(process.inputOffset) };
    }),
    signalProcess: faults.unary((request, context) => {
      const process = find(context, request.process);
      if (process.exited) throw fakeError(Code.NotFound, "PROCESS_NOT_FOUND", "The process has ended.");
      process.kill(request.signal);
      return {};
    }),
    listProcesses: faults.unary((request, context) => {
      const all = [...platform.dataPlane(context).processes.values()];
      const processes = all
        .filter((process) => request.includeExited || !process.exited)
        .map(({ options: { id, pid, args, cwd, user, tag }, exited, endOffset, size }) => {
          const known = { ...(exited ? { exited } : {}), ...(size ? { pty: { ...size } } : {}) };
          return { processId: id, pid, args: [...args], cwd, user, tag, ...known, endOffset: BigInt(endOffset) };
        });
      return { processes: processes.map((process) => ({ ...process, startTime: timestampNow() })) };
    }),
    resizePty: faults.unary((request, context) => {
      const process = find(context, request.process);
      if (!process.size) throw fakeError(Code.FailedPrecondition, "INPUT_CLOSED", "The process has no terminal.");
      process.resize(request.size ?? { columns: 80, rows: 24 });
      return {};
    }),
    getEnvironment: faults.unary((_request, context) => ({ env: platform.dataPlane(context).env })),
    setEnvironment: faults.unary(({ set, unset, replace }, context) => {
      const sandbox = platform.dataPlane(context);
      const kept = Object.entries(replace ? {} : sandbox.env).filter(([name]) => !unset.includes(name));
      sandbox.env = { ...Object.fromEntries(kept), ...set };
      return { env: sandbox.env };
    }),
  };
}

function start(sandbox: FakeSandbox, request: ExecRequest): FakeProcess {
  const { command } = request;
  const args = command.case === "argv" ? command.value.args : (command.value?.line.split(" ") ?? []);
  const program = fakePrograms[args[0] ?? ""];
  if (!program) {
    throw fakeError(Code.InvalidArgument, "COMMAND_NOT_FOUND", `${args[0]} is not there.`, {
      nextStep: "Check the program's name, or give its full path.",
    });
  }
  const process = new FakeProcess({
    id: request.processId || `p${sandbox.processes.size}`,
    pid: 100 + sandbox.processes.size,
    program,
    args,
    env: { ...sandbox.env, ...request.env },
    cwd: request.cwd || "/home/user",
    user: request.user || "user",
    tag: request.tag,
    stdin: request.stdin || request.pty !== undefined,
    pty: request.pty,
    timeoutMs: request.timeout && durationMs(request.timeout),
  });
  sandbox.processes.set(process.options.id, process);
  return process;
}

async function* events(process: FakeProcess, from: number, existed: boolean) {
  const firstOffset = BigInt(Math.max(from, process.replayFrom));
  const { id: processId, pid } = process.options;
  yield create(ExecResponseSchema, { event: { case: "started", value: { processId, pid, firstOffset, existed } } });
  yield create(ExecResponseSchema, { event: { case: "heartbeat", value: {} } });
  for await (const { offset, stream, data } of process.output(from)) {
    yield create(ExecResponseSchema, { event: { case: "output", value: { offset: BigInt(offset), stream, data } } });
  }
  if (process.exited) yield create(ExecResponseSchema, { event: { case: "exited", value: process.exited } });
}
