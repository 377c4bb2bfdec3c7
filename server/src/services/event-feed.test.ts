import { expect, test } from "vitest";
import { systemClock } from "../system-clock.ts";
import { createEventFeed } from "./event-feed.ts";

test("an organization has 200 streams, no more, and another when one of them has ended", () => {
  const feed = createEventFeed(systemClock);
  const streams = Array.from({ length: 200 }, () => feed.subscribe("org_a"));
  expect(() => feed.subscribe("org_a")).toThrow(expect.objectContaining({ reason: "QUOTA_EXCEEDED" }));
  feed.subscribe("org_b");
  streams[7]?.[Symbol.dispose]();
  feed.subscribe("org_a");
});
