/** The metrics of about the last hour, in a ring of numbers: a VM's take 21 KiB, whatever its guest says. */

export interface MetricsSample {
  /** Milliseconds of the host's clock. */
  readonly time: number;
  readonly cpuCount: number;
  /** 0 to 100. */
  readonly cpuUsedPercent: number;
  readonly cpuTimeMs: number;
  readonly memoryTotalBytes: number;
  readonly memoryUsedBytes: number;
  readonly memoryCacheBytes: number;
  readonly diskTotalBytes: number;
  readonly diskUsedBytes: number;
  readonly networkReceivedBytes: number;
  readonly networkSentBytes: number;
}

const fields = [
  "time",
  "cpuCount",
  "cpuUsedPercent",
  "cpuTimeMs",
  "memoryTotalBytes",
  "memoryUsedBytes",
  "memoryCacheBytes",
  "diskTotalBytes",
  "diskUsedBytes",
  "networkReceivedBytes",
  "networkSentBytes",
] as const satisfies readonly (keyof MetricsSample)[];

/** An hour of samples every 15 s. */
const capacity = 240;

export class MetricsHistory {
  readonly #numbers = new Float64Array(capacity * fields.length);
  #count = 0;

  add(sample: MetricsSample): void {
    const at = (this.#count++ % capacity) * fields.length;
    for (const [index, field] of fields.entries()) this.#numbers[at + index] = sample[field];
  }

  /** Oldest first. */
  between(start: number, end: number): MetricsSample[] {
    const kept = Math.min(this.#count, capacity);
    const all = Array.from({ length: kept }, (_, index) => this.#at(this.#count - kept + index));
    return all.filter(({ time }) => time >= start && time <= end);
  }

  #at(index: number): MetricsSample {
    const at = (index % capacity) * fields.length;
    return Object.fromEntries(
      fields.map((field, offset) => [field, this.#numbers[at + offset]]),
    ) as unknown as MetricsSample;
  }
}
