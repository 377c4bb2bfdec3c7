import { expect, test } from "vitest";
import { createRouteCache } from "./route-cache.ts";

const target = { sandboxId: "s1", orgId: "o", epoch: "1", hostId: "h1" };

function counted() {
  let now = 0;
  let searches = 0;
  const cache = createRouteCache(() => now);
  const get = (credential = "k", sandboxId = "s1") =>
    cache.get(credential, sandboxId, async () => {
      searches += 1;
      return target;
    });
  return { cache, get, searches: () => searches, pass: (ms: number) => (now += ms) };
}

test("an answer is kept for a second, for its credential and sandbox alone", async () => {
  const { get, searches, pass } = counted();
  await get();
  await get();
  expect(searches()).toBe(1);
  await get("other");
  await get("k", "s2");
  expect(searches()).toBe(3);
  pass(1_000);
  await get();
  expect(searches()).toBe(4);
});

test("what changed is searched for again", async () => {
  const { cache, get, searches } = counted();
  await get();
  cache.forget("s1");
  await get();
  cache.forgetAll();
  await get();
  expect(searches()).toBe(3);
});

test("a search that a change overtook is not remembered", async () => {
  const { cache, get, searches } = counted();
  const search = get();
  cache.forget("s1");
  await search;
  await get();
  expect(searches()).toBe(2);
});

test("a refusal is not remembered", async () => {
  const { cache, get, searches } = counted();
  await expect(cache.get("k", "s1", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  await get();
  expect(searches()).toBe(1);
});
