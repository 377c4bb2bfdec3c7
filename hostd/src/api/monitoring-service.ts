/** MonitoringService: what a sandbox uses and says. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { type MonitoringService, ReadLogsResponseSchema } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import type { MetricsSample } from "../vm/monitor/metrics-history.ts";
import { readPositions } from "./logs/log-position.ts";
import { readLogs } from "./logs/read-logs.ts";
import { type CallDeps, meaningOf, sandboxCall, withMeaning } from "./sandbox-call.ts";

export function monitoringService(deps: CallDeps) {
  return {
    async getMetrics({ startTime, endTime, onlyNow }, context) {
      const call = sandboxCall(deps, context);
      using use = await call.use();
      const { monitor } = use.live;
      const now = await withMeaning(call.sandboxId, call.explain, () => monitor.read(call));
      const from = startTime ? timestampMs(startTime) : 0;
      const to = endTime ? timestampMs(endTime) : Number.POSITIVE_INFINITY;
      return {
        now: toSample(now),
        history: onlyNow ? [] : monitor.history.between(from, to).map(toSample),
        interval: durationFromMs(monitor.intervalMs),
      };
    },

    async *readLogs({ sources, follow, tail, after }, context) {
      // Whatever ends the stream, the client's leave too, ends what reads for it.
      const stop = new AbortController();
      const signal = AbortSignal.any([context.signal, stop.signal]);
      const call = sandboxCall(deps, { ...context, signal });
      try {
        for await (const events of readLogs(call, { sources, follow, tail, after: readPositions(after) })) {
          if (events.length === 0) yield create(ReadLogsResponseSchema, { event: { case: "heartbeat", value: {} } });
          for (const event of events) yield create(ReadLogsResponseSchema, { event });
        }
      } catch (error) {
        throw await meaningOf(call.sandboxId, call.explain, error);
      } finally {
        stop.abort(new Error("the logs are no longer read"));
      }
    },
  } satisfies ServiceImpl<typeof MonitoringService>;
}

function toSample(sample: MetricsSample) {
  const { time, cpuCount, cpuUsedPercent, cpuTimeMs } = sample;
  return {
    ...{ cpuCount, cpuUsedPercent },
    time: timestampFromMs(time),
    cpuTime: durationFromMs(cpuTimeMs),
    memoryTotalBytes: BigInt(sample.memoryTotalBytes),
    memoryUsedBytes: BigInt(sample.memoryUsedBytes),
    memoryCacheBytes: BigInt(sample.memoryCacheBytes),
    diskTotalBytes: BigInt(sample.diskTotalBytes),
    diskUsedBytes: BigInt(sample.diskUsedBytes),
    networkReceivedBytes: BigInt(sample.networkReceivedBytes),
    networkSentBytes: BigInt(sample.networkSentBytes),
  };
}
