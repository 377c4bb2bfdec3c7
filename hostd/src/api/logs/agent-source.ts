/** The agent's own lines. They also tell which processes start, so that the output of those can be followed. */
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { LogEvent, type LogLine } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { LogSource as Kind } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { unexpectedEvent } from "../../guest/agent-client.ts";
import { checkedId } from "../../guest/follow-process.ts";
import { GuestConnectionError } from "../../guest/guest-connection-error.ts";
import { lastingStream } from "../../guest/lasting-stream.ts";
import { timeField } from "../../guest/wire-time.ts";
import type { SandboxCall } from "../sandbox-call.ts";
import { type AgentPlace, agentPosition, agentTimeOf } from "./log-position.ts";
import type { LogSink } from "./log-queue.ts";
import type { LogSource } from "./log-source.ts";

const levels: ReadonlySet<string> = new Set(["error", "warn", "info", "debug"]);
const maxChars = 4096;
/** An agent keeps 256 KiB of lines. */
const maxBacklogLines = 20_000;

export interface AgentSourceOptions {
  /** False where its lines are only read for the processes they tell of. */
  readonly tell: boolean;
  /** What the client has already. */
  readonly after: AgentPlace | undefined;
  /** A process started, after the backlog. */
  readonly onStarted: (processId: string) => void;
}

export function agentSource(call: SandboxCall, { tell, after, onStarted }: AgentSourceOptions): LogSource {
  let next = 1n;
  const push = (sink: LogSink, line: LogLine) => {
    const { processId } = line;
    if (tell && line.sequence > next) {
      const lost = `${line.sequence - next} lines of the agent were gone before they were read`;
      const position = agentPosition({ sequence: line.sequence - 1n, time: agentTimeOf(undefined) });
      sink.push({ ...agentEntry("warn", lost, ""), position });
    }
    next = line.sequence + 1n;
    if (!tell) return;
    const label = levels.has(line.level) ? line.level : "info";
    const position = agentPosition({ sequence: line.sequence, time: agentTimeOf(line.time) });
    const entry = { ...agentEntry(label, line.message.slice(0, maxChars), processId), position };
    sink.push({ ...entry, ...timeField("time", line.time) });
  };
  const checked = (line: LogLine): LogLine => {
    if (line.processId !== "") checkedId(line.processId);
    if (line.sequence >= next) return line;
    throw new GuestConnectionError("protocol", `The agent's line ${line.sequence} came after line ${next - 1n}.`);
  };
  /** False where the client's place is in another past than the agent's; nothing is told then. */
  const tellFrom = async (sink: LogSink, place: AgentPlace | undefined): Promise<boolean> => {
    let count = 0;
    const lines = call.stream({ case: "readLogs", value: { fromSequence: place?.sequence ?? 0n } }, (event) => {
      if (event.case === "heartbeat") return undefined;
      if (event.case !== "logLine" || ++count > maxBacklogLines) throw unexpectedEvent(event);
      if (count === 1) next = place?.sequence ?? event.value.sequence; // what was before is no loss
      return checked(event.value);
    });
    for await (const line of lines) {
      if (place && line.sequence === place.sequence) {
        if (agentTimeOf(line.time) !== place.time) return false;
        next = line.sequence + 1n;
        continue;
      }
      if (next === place?.sequence) next += 1n; // the client's last line is kept no more
      await sink.room(call.signal);
      push(sink, line);
    }
    return count > 0 || !place;
  };
  return {
    async backlog(sink) {
      if (!(await tellFrom(sink, after))) await tellFrom(sink, undefined);
    },

    async follow(sink) {
      const options = { signal: call.signal, requestId: call.requestId, onBreak: call.explain };
      const readLogs = () => ({ case: "readLogs" as const, value: { follow: true, fromSequence: next } });
      for (;;) {
        await sink.room(call.signal);
        for await (const { event } of lastingStream(call.agent, readLogs, "logLine", options)) {
          if (event.case === "heartbeat") continue;
          if (sink.full) break; // it is read again from here
          push(sink, checked(event.value));
          if (event.value.event === LogEvent.PROCESS_STARTED) onStarted(event.value.processId);
        }
      }
    },
  };
}

/** A line of the agent, or of ours about what could not be read. */
export function agentEntry(label: string, text: string, processId: string) {
  return { source: Kind.AGENT, time: timestampNow(), label, text, processId };
}
