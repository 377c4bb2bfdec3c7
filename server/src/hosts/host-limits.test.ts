import { expect, test } from "vitest";
import { edgeUrlOf, wordsOf } from "./host-limits.ts";

test.each([
  ["http://10.0.0.5:18049", "http://10.0.0.5:18049"],
  ["https://h1.example.org", "https://h1.example.org"],
  ["", ""],
  ["javascript:alert(1)", ""],
  ["https://h1.example.org/path", ""],
  ["https://user@h1.example.org", ""],
  [`https://${"a".repeat(600)}.org`, ""],
  ["no address", ""],
])("a host that says its edge is at %j is passed on as %j", (said, passed) => {
  expect(edgeUrlOf(said)).toBe(passed);
});

test("a host's words fit into a row, however long they are", () => {
  expect(wordsOf("it \0died")).toBe("it died");
  expect(wordsOf("a".repeat(2 ** 20))).toHaveLength(1_000);
});
