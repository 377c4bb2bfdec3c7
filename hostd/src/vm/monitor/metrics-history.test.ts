import { expect, test } from "vitest";
import { MetricsHistory, type MetricsSample } from "./metrics-history.ts";

const sample = (time: number): MetricsSample => ({
  ...{ time, cpuCount: 2, cpuUsedPercent: 12.5, cpuTimeMs: time * 10 },
  ...{ memoryTotalBytes: 256, memoryUsedBytes: 128, memoryCacheBytes: 64 },
  ...{ diskTotalBytes: 2 ** 40, diskUsedBytes: 7, networkReceivedBytes: 1, networkSentBytes: Number.MAX_SAFE_INTEGER },
});

test("a history gives back what it got, oldest first, within the times asked for", () => {
  const history = new MetricsHistory();
  expect(history.between(0, Infinity)).toEqual([]);
  for (const time of [1, 2, 3, 4]) history.add(sample(time));
  expect(history.between(2, 3)).toEqual([sample(2), sample(3)]);
});

test("a history forgets the oldest, and takes the same memory for ever", () => {
  const before = process.memoryUsage().arrayBuffers;
  const histories = Array.from({ length: 100 }, () => new MetricsHistory());
  for (const history of histories) for (let time = 1; time <= 1000; time++) history.add(sample(time));
  const kept = histories[0]?.between(0, Infinity) ?? [];
  expect([kept.length, kept[0]?.time, kept.at(-1)?.time]).toEqual([240, 761, 1000]);
  expect((process.memoryUsage().arrayBuffers - before) / histories.length).toBeLessThan(24 * 1024);
});
