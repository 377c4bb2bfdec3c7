/** ProcessService: programs in a sandbox, by its agent. */
import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  AttachProcessResponseSchema,
  ExecResponseSchema,
  type ProcessService,
} from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { followProcess, type ProcessEvent } from "../guest/follow-process.ts";
import { GuestConnectionError } from "../guest/guest-connection-error.ts";
import { withHeartbeats } from "../guest/with-heartbeats.ts";
import { keepWarmTag } from "../vm/standby-keeper.ts";
import { startProcessCall, toProcess, toProcessEvent, toSelector, toSize } from "./process-convert.ts";
import { type CallDeps, meaningOf, type SandboxCall, sandboxCall } from "./sandbox-call.ts";

export function processService(deps: CallDeps) {
  return {
    async *exec(request, context) {
      const call = sandboxCall(deps, context);
      // Always with a name: it makes a repeat after a broken connection safe.
      const processId = request.processId || randomUUID();
      for await (const event of eventsOf(call, startProcessCall(request, processId))) {
        yield create(ExecResponseSchema, { event: toProcessEvent(event, processId) });
        if (request.detach && event.case === "started") return;
      }
    },

    async *attachProcess(request, context) {
      const call = sandboxCall(deps, context);
      const { fromOffset, fromEnd } = request;
      let processId = "";
      const attach = {
        case: "attachProcess" as const,
        value: { process: toSelector(request.process), fromOffset, fromEnd },
      };
      for await (const event of eventsOf(call, attach)) {
        if (event.case === "started") processId = event.value.processId;
        yield create(AttachProcessResponseSchema, { event: toProcessEvent(event, processId) });
      }
    },

    async sendInput({ process, offset, data, close }, context) {
      const value = { process: toSelector(process), offset, data, close };
      const call = sandboxCall(deps, context);
      return call.unary({ case: "sendInput", value }, "inputAccepted", ({ nextOffset }) => {
        // A client that goes on there must come forward.
        if (nextOffset >= offset + BigInt(data.length)) return { nextOffset };
        throw new GuestConnectionError("protocol", `The agent has ${nextOffset} bytes of input after all of them.`);
      });
    },

    async signalProcess({ process, signal, onlyProcess }, context) {
      const value = { process: toSelector(process), signal, onlyProcess };
      await sandboxCall(deps, context).command({ case: "signalProcess", value });
      return {};
    },

    async listProcesses({ includeExited }, context) {
      const call = sandboxCall(deps, context);
      return call.unary({ case: "listProcesses", value: { includeExited } }, "processList", ({ processes }) => ({
        processes: processes.filter(({ tag }) => tag !== keepWarmTag).map(toProcess),
      }));
    },

    async resizePty({ process, size }, context) {
      const value = { process: toSelector(process), ...(size ? { pty: toSize(size) } : {}) };
      await sandboxCall(deps, context).command({ case: "resizePty", value });
      return {};
    },

    async getEnvironment(_, context) {
      const call = sandboxCall(deps, context);
      return call.unary({ case: "getEnvironment", value: {} }, "environment", ({ env }) => ({ env }));
    },

    async setEnvironment({ set, unset, replace }, context) {
      const call = sandboxCall(deps, context);
      const value = { set, unset, replace };
      return call.unary({ case: "setEnvironment", value }, "environment", ({ env }) => ({ env }));
    },
  } satisfies ServiceImpl<typeof ProcessService>;
}

async function* eventsOf(call: SandboxCall, first: Parameters<typeof followProcess>[1]): AsyncGenerator<ProcessEvent> {
  const { agent, signal, requestId, explain } = call;
  let started = false;
  try {
    const events = followProcess(agent, first, { signal, requestId, onBreak: explain });
    for await (const event of withHeartbeats<ProcessEvent>(events, () => ({ case: "heartbeat" }))) {
      started ||= event.case === "started";
      if (started) yield event; // a stream's first event is its start
    }
  } catch (error) {
    throw await meaningOf(call.sandboxId, explain, error);
  }
}
