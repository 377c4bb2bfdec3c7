import { durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { MetricsSample as WireSample } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { dateOf, defined } from "../convert.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";

/** Options of `sandbox.metrics`. */
export interface MetricsOptions {
  /** Earliest sample of the history wanted; the oldest kept where absent. About the last hour is kept. */
  readonly from?: Date | undefined;
  /** Latest sample of the history wanted; now where absent. */
  readonly to?: Date | undefined;
  /** False leaves the history out. */
  readonly history?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a sandbox uses, and used. */
export interface Metrics {
  /** Read for this call. */
  readonly now: MetricsSample;
  /** Oldest first. */
  readonly history: readonly MetricsSample[];
  /** Between two samples of the history, milliseconds. */
  readonly intervalMs: number;
}

/** One reading. */
export interface MetricsSample {
  /** When it was made. */
  readonly time: Date;
  /** Virtual CPUs. */
  readonly cpuCount: number;
  /** Share of all CPUs that was busy since the sample before (since boot, for the first), 0 to 100. */
  readonly cpuUsedPercent: number;
  /** CPU time used since boot, milliseconds. */
  readonly cpuTimeMs: number;
  /** Memory of the sandbox. */
  readonly memoryTotalBytes: number;
  /** Neither free nor reclaimable. */
  readonly memoryUsedBytes: number;
  /** Page cache. */
  readonly memoryCacheBytes: number;
  /** Size of the root disk. */
  readonly diskTotalBytes: number;
  /** Used of the root disk. */
  readonly diskUsedBytes: number;
  /** Since boot. */
  readonly networkReceivedBytes: number;
  /** Since boot. */
  readonly networkSentBytes: number;
}

export async function readMetrics(plane: DataPlane, options: MetricsOptions): Promise<Metrics> {
  const { from, to, history = true, signal } = options;
  const request = defined({
    startTime: from && timestampFromDate(from),
    endTime: to && timestampFromDate(to),
    onlyNow: !history,
  });
  const answer = await plane.unary((way, call) => way.monitoring.getMetrics(request, call), {
    signal,
    repeatable: true,
  });
  if (!answer.now) throw new TypeError("The platform's answer lacks the metrics.");
  return {
    now: sampleOf(answer.now),
    history: answer.history.map(sampleOf),
    intervalMs: answer.interval ? durationMs(answer.interval) : 0,
  };
}

function sampleOf(sample: WireSample): MetricsSample {
  return {
    time: dateOf(sample.time),
    cpuCount: sample.cpuCount,
    cpuUsedPercent: sample.cpuUsedPercent,
    cpuTimeMs: sample.cpuTime ? durationMs(sample.cpuTime) : 0,
    memoryTotalBytes: Number(sample.memoryTotalBytes),
    memoryUsedBytes: Number(sample.memoryUsedBytes),
    memoryCacheBytes: Number(sample.memoryCacheBytes),
    diskTotalBytes: Number(sample.diskTotalBytes),
    diskUsedBytes: Number(sample.diskUsedBytes),
    networkReceivedBytes: Number(sample.networkReceivedBytes),
    networkSentBytes: Number(sample.networkSentBytes),
  };
}
