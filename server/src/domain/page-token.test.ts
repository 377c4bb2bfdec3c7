import { expect, test } from "vitest";
import { pageTokenOf, readPageToken } from "./page-token.ts";

test("a token gives its position back", () => {
  expect(readPageToken("hosts", pageTokenOf("hosts", ["a"]), 1)).toEqual(["a"]);
});

test.each([
  "garbage",
  "%%%",
  "",
  pageTokenOf("sandboxes", ["a"]),
  pageTokenOf("hosts", ["a", "b"]),
  pageTokenOf("hosts", ["a\0"]),
  Buffer.from('["hosts",1]').toString("base64url"),
])("%j is no token of the list", (token) => {
  expect(readPageToken("hosts", token, 1)).toBeUndefined();
});
