import { expect, test } from "vitest";
import { createBriefAnswers } from "./brief-answers.ts";

function counted(outcome: () => Promise<string | undefined> = async () => undefined) {
  let now = 0;
  let searches = 0;
  const find = () => {
    searches += 1;
    return outcome();
  };
  const answers = createBriefAnswers({ find, keepMs: 100, now: () => now });
  return { answers, searches: () => searches, pass: (ms: number) => (now += ms) };
}

test("a thousand guesses at a sandbox at once are one search, also where it is not there", async () => {
  const { answers, searches, pass } = counted();
  await Promise.all(Array.from({ length: 1_000 }, () => answers.get("s1")));
  pass(99);
  await answers.get("s1");
  expect(searches()).toBe(1);
  pass(1);
  await answers.get("s1");
  expect(searches()).toBe(2);
});

test("what changed is searched for again, and what failed, too", async () => {
  const { answers, searches } = counted();
  await answers.get("s1");
  answers.forget("s1");
  await answers.get("s1");
  expect(searches()).toBe(2);
  const failing = counted(() => Promise.reject(new Error("no")));
  await expect(failing.answers.get("s1")).rejects.toThrow("no");
  await expect(failing.answers.get("s1")).rejects.toThrow("no");
  expect(failing.searches()).toBe(2);
});
