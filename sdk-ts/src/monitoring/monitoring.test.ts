import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { LogEntrySchema, LogSource } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { expect, test } from "vitest";
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

test("logs that are followed go on over a broken connection, each line once", async () => {
  await using fake = await withSandbox();
  for (const text of ["a", "b"]) log(fake, 5, LogSource.CONSOLE, text);
  fake.platform.faults.next("ReadLogs", { t: "cutAfter", events: 3 }, { t: "cutAfter", events: 2 });
  const seen: string[] = [];
  for await (const { text } of fake.sandbox.logs({ follow: true, tail: 2 })) {
    seen.push(text);
    if (text === "b")
      for (const [ms, next] of [
        [5, "c"],
        [4, "x"],
        [6, "d"],
      ] as const)
        log(fake, ms, LogSource.AGENT, next);
    if (text === "d") break;
  }
  expect(seen).toEqual(["a", "b", "c", "x", "d"]);
});
