/** A line for the logs of a fake sandbox. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type LogEntry, LogEntrySchema, LogSource } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";

export interface FakeLogLine {
  readonly source: "console" | "agent" | "process";
  readonly time: Date;
  readonly text: string;
  readonly label?: string;
  readonly processId?: string;
}

const sources = { console: LogSource.CONSOLE, agent: LogSource.AGENT, process: LogSource.PROCESS };

export function fakeLogEntry({ source, time, ...facts }: FakeLogLine): LogEntry {
  return create(LogEntrySchema, { ...facts, source: sources[source], time: timestampFromDate(time) });
}
