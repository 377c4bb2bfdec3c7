/** MonitoringService of the fake platform. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type LogEntry,
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
    readLogs: faults.stream(async function* ({ sources, follow, tail }, context) {
      const { logs } = platform.dataPlane(context);
      const wanted = (entry: LogEntry) => sources.length === 0 || sources.includes(entry.source);
      const kept = logs.entries.filter(wanted);
      const next = logs.entries.length;
      yield create(ReadLogsResponseSchema, { event: { case: "heartbeat", value: {} } });
      for (const entry of tail === undefined ? kept : kept.slice(-tail)) yield eventOf(entry);
      if (!follow) return;
      for await (const entry of logs.from(next, context.signal)) if (wanted(entry)) yield eventOf(entry);
    }),
  };
}

function eventOf(entry: LogEntry) {
  return create(ReadLogsResponseSchema, { event: { case: "entry", value: entry } });
}
