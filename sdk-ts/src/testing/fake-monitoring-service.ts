/** MonitoringService of the fake platform. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type LogEntry,
  LogPositionSchema,
  type MonitoringService,
  ReadLogsResponseSchema,
} from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import type { FakeState } from "./fake-state.ts";

export function fakeMonitoringService(platform: FakeState): Partial<ServiceImpl<typeof MonitoringService>> {
  const { faults } = platform;
  return {
    getMetrics: faults.unary((request, context) => {
      platform.dataPlane(context);
      const sample = {
        time: timestampNow(),
        cpuCount: 2,
        cpuUsedPercent: 12.5,
        cpuTime: durationFromMs(1500),
        memoryTotalBytes: 512n * 1024n * 1024n,
        memoryUsedBytes: 64n * 1024n * 1024n,
      };
      return { now: sample, history: request.onlyNow ? [] : [sample], interval: durationFromMs(5_000) };
    }),
    readLogs: faults.stream(async function* ({ sources, follow, tail, after }, context) {
      const { logs } = platform.dataPlane(context);
      const wanted = ({ entry, at }: Placed) =>
        (sources.length === 0 || sources.includes(entry.source)) &&
        !after.some(({ log, place }) => log === logOf(entry) && Number(place) >= at);
      const placed = (entry: LogEntry, at: number): Placed => ({ entry, at });
      const kept = logs.entries.map(placed).filter(wanted);
      let next = logs.entries.length;
      yield create(ReadLogsResponseSchema, { event: { case: "heartbeat", value: {} } });
      const told =
        tail === undefined || after.length > 0 ? kept : kept.slice(kept.length - Math.min(tail, kept.length));
      for (const line of told) yield eventOf(line);
      const leftOut = kept.slice(0, kept.length - told.length).map(positionOf);
      const positions = [...new Map(leftOut.map((position) => [position.log, position])).values()];
      yield create(ReadLogsResponseSchema, { event: { case: "backlogEnd", value: { positions } } });
      if (!follow) return;
      for await (const entry of logs.from(next, context.signal)) {
        const line = placed(entry, next++);
        if (wanted(line)) yield eventOf(line);
      }
    }),
  };
}

/** A line, and its place among all of the sandbox's. */
interface Placed {
  readonly entry: LogEntry;
  readonly at: number;
}

function logOf({ source, processId }: LogEntry): string {
  return `${source}:${processId}`;
}

function positionOf({ entry, at }: Placed) {
  return create(LogPositionSchema, { log: logOf(entry), place: String(at) });
}

function eventOf(line: Placed) {
  const value = { ...line.entry, position: positionOf(line) };
  return create(ReadLogsResponseSchema, { event: { case: "entry", value } });
}
