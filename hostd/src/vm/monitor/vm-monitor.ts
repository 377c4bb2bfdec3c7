/**
 * What is kept of a running VM for those who look later: its metrics and its console. One call of the agent every
 * interval, one at a time, with jitter, so that VMs that were adopted together are not asked together.
 */
import type { Metrics } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import type { AgentClient } from "../../guest/agent-client.ts";
import type { Vm } from "../../vmm/vmm.ts";
import { ConsoleLog } from "./console-log.ts";
import { MetricsHistory, type MetricsSample } from "./metrics-history.ts";

const sampleTimeoutMs = 5_000;
/** The kernel counts CPU time in hundredths of a second: a shorter while would be mostly rounding. */
const shortestWhileMs = 1_000;
/** The longest duration that protobuf has. */
const maxDurationMs = 315_576_000_000_000;

export interface VmMonitorOptions {
  /** Aborts when the VM ends. */
  readonly signal: AbortSignal;
  readonly intervalMs: number;
  readonly now: () => Date;
}

/** Times of performance.now, so that a step of the clock is no burst of work. */
interface CpuReading {
  readonly at: number;
  readonly cpuTimeMs: number;
}

export class VmMonitor {
  readonly history = new MetricsHistory();
  readonly console: ConsoleLog;
  readonly intervalMs: number;
  readonly #agent: AgentClient;
  readonly #options: VmMonitorOptions;
  /** Of the last samples, newest first. */
  #readings: CpuReading[] = [];

  constructor(vm: Pick<Vm, "readConsole">, agent: AgentClient, options: VmMonitorOptions) {
    this.console = new ConsoleLog((callOptions) => vm.readConsole(callOptions), options.now);
    this.intervalMs = options.intervalMs;
    this.#agent = agent;
    this.#options = options;
    this.#schedule(Math.random());
  }

  /** Reads the metrics for a caller. */
  async read(options: { readonly signal: AbortSignal; readonly requestId?: string }): Promise<MetricsSample> {
    return (await this.#read(options)).sample;
  }

  #schedule(share: number): void {
    const { signal, intervalMs } = this.#options;
    if (signal.aborted) return;
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", cancel);
      void this.#sample().then(() => this.#schedule(0.9 + Math.random() / 5));
    }, intervalMs * share).unref();
    const cancel = () => clearTimeout(timer);
    signal.addEventListener("abort", cancel, { once: true });
  }

  /** Never rejects: an agent or a VMM that does not answer now leaves a hole in the history. */
  async #sample(): Promise<void> {
    const { signal } = this.#options;
    await this.console.refresh({ signal }).catch(() => undefined);
    try {
      const { sample, reading } = await this.#read({ signal });
      this.history.add(sample);
      this.#readings = [reading, ...this.#readings.slice(0, 1)];
    } catch {
      // As said above.
    }
  }

  async #read(options: { readonly signal: AbortSignal; readonly requestId?: string }) {
    const call = { ...options, timeoutMs: sampleTimeoutMs };
    const metrics = await this.#agent.unary({ case: "getMetrics", value: {} }, "metrics", call);
    const reading = { at: performance.now(), cpuTimeMs: durationMs(metrics.cpuTime) };
    const before = this.#readings.find(({ at }) => reading.at - at >= shortestWhileMs) ?? (await this.#boot(call));
    const share = (reading.cpuTimeMs - before.cpuTimeMs) / (reading.at - before.at) / Math.max(1, metrics.cpuCount);
    const cpuUsedPercent = Math.min(100, Math.max(0, share * 100));
    return { reading, sample: toSample(metrics, { time: this.#options.now().getTime(), cpuUsedPercent }) };
  }

  async #boot(call: { readonly signal: AbortSignal; readonly timeoutMs: number }): Promise<CpuReading> {
    const { uptime } = await this.#agent.unary({ case: "ping", value: {} }, "pong", call);
    return { at: performance.now() - Math.max(1, durationMs(uptime)), cpuTimeMs: 0 };
  }
}

/** The guest's clock tells nothing of ours, so `time` is the host's. */
function toSample(metrics: Metrics, own: Pick<MetricsSample, "time" | "cpuUsedPercent">): MetricsSample {
  return {
    ...own,
    cpuCount: metrics.cpuCount,
    cpuTimeMs: durationMs(metrics.cpuTime),
    memoryTotalBytes: toNumber(metrics.memoryTotalBytes),
    memoryUsedBytes: toNumber(metrics.memoryUsedBytes),
    memoryCacheBytes: toNumber(metrics.memoryCacheBytes),
    diskTotalBytes: toNumber(metrics.diskTotalBytes),
    diskUsedBytes: toNumber(metrics.diskUsedBytes),
    networkReceivedBytes: toNumber(metrics.networkReceivedBytes),
    networkSentBytes: toNumber(metrics.networkSentBytes),
  };
}

function toNumber(count: bigint): number {
  return Math.min(Number(count), Number.MAX_SAFE_INTEGER);
}

function durationMs(duration: Metrics["cpuTime"]): number {
  if (!duration) return 0;
  const ms = Number(duration.seconds) * 1000 + duration.nanos / 1e6;
  return Math.min(Math.max(0, ms), maxDurationMs);
}
