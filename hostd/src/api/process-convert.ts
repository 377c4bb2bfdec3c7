/** Processes: the guest's messages as the public API's. What the agent wrote is checked where a client would rely on it. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type * as guest from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import {
  type ExecRequest,
  type ExecResponse,
  HeartbeatSchema,
  ProcessExitedSchema,
  ProcessOutputSchema,
  type ProcessSchema,
  type ProcessSelector,
  ProcessStartedSchema,
  type PtySize,
} from "@daytonah/gen/daytonah/v1/process_pb.ts";
import type { GuestCall } from "../guest/agent-client.ts";
import { checkedId, type ProcessEvent } from "../guest/follow-process.ts";
import { durationField, timeField } from "../guest/wire-time.ts";

const lastExitKind = 4;
const lastStream = 3;

/** Both requests name their fields alike; only the command's variants are of other types. */
export function startProcessCall(request: ExecRequest, processId: string): GuestCall & { case: "startProcess" } {
  const { command, env, cwd, user, tag, stdin, timeout, pty, replayBytes } = request;
  const guestCommand =
    command.case === "argv"
      ? { case: "argv" as const, value: { args: command.value.args } }
      : command.case === "shell"
        ? { case: "shell" as const, value: { line: command.value.line, login: command.value.login } }
        : { case: undefined };
  const value = {
    ...{ processId, command: guestCommand, env, cwd, user, tag, stdin, replayBytes },
    ...(timeout ? { timeout } : {}),
    ...(pty ? { pty: toSize(pty) } : {}),
  };
  return { case: "startProcess", value };
}

/** Exec's and AttachProcess's events have the same shape. */
export function toProcessEvent(event: ProcessEvent, processId: string): ExecResponse["event"] {
  switch (event.case) {
    case "started": {
      const { pid, firstOffset, existed } = event.value;
      return { case: "started", value: create(ProcessStartedSchema, { processId, pid, firstOffset, existed }) };
    }
    case "output": {
      const { offset, stream, data } = event.value;
      return {
        case: "output",
        value: create(ProcessOutputSchema, { offset, stream: stream <= lastStream ? stream : 0, data }),
      };
    }
    case "exited":
      return { case: "exited", value: create(ProcessExitedSchema, toExited(event.value)) };
    case "heartbeat":
      return { case: "heartbeat", value: create(HeartbeatSchema) };
    default:
      return event satisfies never;
  }
}

export function toSelector(selector: ProcessSelector | undefined) {
  const named = selector?.selector;
  switch (named?.case) {
    case "processId":
      return { selector: { case: "processId" as const, value: named.value } };
    case "pid":
      return { selector: { case: "pid" as const, value: named.value } };
    case "tag":
      return { selector: { case: "tag" as const, value: named.value } };
    default:
      return {};
  }
}

export function toProcess(info: guest.ProcessInfo): MessageInitShape<typeof ProcessSchema> {
  const { processId, pid, args, cwd, user, tag, startTime, exited, endOffset, env, pty } = info;
  return {
    ...{ processId: checkedId(processId), pid, args, cwd, user, tag, endOffset, env },
    ...(pty ? { pty: toSize(pty) } : {}),
    ...timeField("startTime", startTime),
    ...(exited ? { exited: toExited(exited) } : {}),
  };
}

function toExited({ kind, exitCode, signal, runTime, endOffset }: guest.ProcessExited) {
  return { kind: kind <= lastExitKind ? kind : 0, exitCode, signal, endOffset, ...durationField("runTime", runTime) };
}

/** Both sides write a terminal's size alike. */
export function toSize({ columns, rows }: PtySize | guest.Pty) {
  return { columns, rows };
}
