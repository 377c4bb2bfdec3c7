import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { fakeWithClient } from "./testing/client-of.ts";
import { failureOf } from "./testing/failure-of.ts";
import { fakeError } from "./testing/fake-error.ts";
import { fakeEvent } from "./testing/fake-event.ts";

test("what is kept is listed, and ends", async () => {
  await using fake = await fakeWithClient();
  fakeEvent(fake.platform, "sandbox.creating", "s1");
  fakeEvent(fake.platform, "sandbox.failed", "s2", { reason: "VM_DIED" });
  const { events } = fake.client;
  expect(await Array.fromAsync(events.list(), ({ kind }) => kind)).toEqual(["sandbox.creating", "sandbox.failed"]);
  expect(await Array.fromAsync(events.list({ sandboxId: "s2" }))).toEqual([
    {
      cursor: "2",
      kind: "sandbox.failed",
      sandboxId: "s2",
      epoch: 1,
      time: new Date("2026-01-02T03:04:05Z"),
      data: { reason: "VM_DIED" },
    },
  ]);
  expect(await Array.fromAsync(events.list({ cursor: "2" }))).toEqual([]);
});

test("a watch goes on over broken connections, each event once, also where none came before the break", async () => {
  await using fake = await fakeWithClient();
  const happen = (name: string) => fakeEvent(fake.platform, name, "s1");
  happen("long ago");
  // After the heartbeat; after two more events; and the platform is away.
  fake.platform.faults.next(
    "WatchEvents",
    { t: "cutAfter", events: 1 },
    { t: "error", error: fakeError(Code.Unavailable, "DATABASE_UNAVAILABLE", "Away.") },
    { t: "cutAfter", events: 4 },
  );
  const seen: string[] = [];
  const watched = fake.client.events.watch();
  const first = watched.next();
  await expect.poll(() => fake.platform.count("WatchEvents")).toBe(1);
  for (const name of ["a", "b", "c", "d"]) happen(name);
  seen.push((await first).value?.kind ?? "");
  for await (const { kind } of watched) {
    seen.push(kind);
    if (kind === "c") happen("e");
    if (kind === "e") break;
  }
  expect(seen).toEqual(["a", "b", "c", "d", "e"]);
  expect(fake.platform.count("WatchEvents")).toBeGreaterThan(2);
});

test("a cursor that is refused is the caller's to know", async () => {
  await using fake = await fakeWithClient();
  const error = fakeError(Code.OutOfRange, "CURSOR_INVALID", "It lies before what is kept.");
  fake.platform.faults.next("WatchEvents", { t: "error", error });
  expect(await failureOf(fake.client.events.watch({ cursor: "5" }).next())).toMatchObject({
    name: "InvalidArgumentError",
    reason: "CURSOR_INVALID",
  });
  const aborted = AbortSignal.abort(new Error("enough"));
  await expect(fake.client.events.watch({ signal: aborted }).next()).rejects.toThrow("enough");
});
