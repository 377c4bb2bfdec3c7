import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { LogEntrySchema, LogSource } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { expect, test } from "vitest";
import { unavailable } from "../testing/fake-error.ts";
import { type FakeWithSandbox, withSandbox } from "../testing/with-sandbox.ts";

function log({ state }: FakeWithSandbox, ms: number, source: LogSource, text: string): void {
  state.logs.add(create(LogEntrySchema, { time: timestampFromMs(ms), source, text, label: "info" }));
}

test("metrics come now and as they were", async () => {
  await using fake = await withSandbox();
  const { now, history, intervalMs } = await fake.sandbox.metrics();
  expect(now).toMatchObject({ cpuCount: 2, cpuUsedPercent: 12.5, cpuTimeMs: 1500, memoryTotalBytes: 512 * 1024 ** 2 });
  expect([history.length, intervalMs]).toEqual([1, 5000]);
  expect((await fake.sandbox.metrics({ history: false })).history).toEqual([]);
});

test("logs are read by source, and only their last lines where asked", async () => {
  await using fake = await withSandbox();
  log(fake, 1, LogSource.CONSOLE, "Linux");
  log(fake, 2, LogSource.AGENT, "started");
  log(fake, 3, LogSource.CONSOLE, "ready");
  expect(await Array.fromAsync(fake.sandbox.logs(), ({ text }) => text)).toEqual(["Linux", "started", "ready"]);
  expect(await Array.fromAsync(fake.sandbox.logs({ sources: ["console"], tail: 1 }))).toEqual([
    { time: new Date(3), source: "console", label: "info", text: "ready", processId: undefined },
  ]);
});

test("logs that are followed go on over broken connections, each line once, whatever their times are", async () => {
  await using fake = await withSandbox();
  const sources = [LogSource.CONSOLE, LogSource.AGENT, LogSource.PROCESS];
  const burst = (first: number) => {
    for (let number = first; number < first + 40; number++) {
      log(fake, number % 7 === 0 ? 3 : 5, sources[number % 3] as LogSource, `line ${number}`);
    }
  };
  burst(0);
  const cuts = [3, 1, 9, 2, 20, 5, 1, 4].map((events) => ({ t: "cutAfter", events }) as const);
  fake.platform.faults.next("ReadLogs", ...cuts);
  const seen: string[] = [];
  for await (const { text } of fake.sandbox.logs({ follow: true })) {
    seen.push(text);
    if (seen.length === 20 || seen.length === 50) burst(seen.length === 20 ? 40 : 80);
    if (seen.length === 120) break;
  }
  expect(seen).toEqual(Array.from({ length: 120 }, (_, number) => `line ${number}`));
});

test("of logs whose tail is followed, no line that came while the connection was broken is left out", async () => {
  await using fake = await withSandbox();
  for (const text of ["a", "b"]) log(fake, 5, LogSource.CONSOLE, text);
  fake.platform.faults.next("ReadLogs", { t: "cutAfter", events: 2 }, { t: "error", error: unavailable() });
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { text } of fake.sandbox.logs({ follow: true, tail: 0 })) {
      seen.push(text);
      if (seen.length === 3) break;
    }
  })();
  await expect.poll(() => fake.platform.count("ReadLogs")).toBe(1);
  for (const text of ["c", "d", "e"]) log(fake, 5, LogSource.CONSOLE, text);
  await reading;
  expect(seen).toEqual(["c", "d", "e"]);
});
