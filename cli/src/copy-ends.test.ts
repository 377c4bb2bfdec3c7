import { expect, test } from "vitest";
import { readCopyEnd, targetPath } from "./copy-ends.ts";

test.each([
  ["-", { t: "standard" }],
  ["a.txt", { t: "local", path: "a.txt" }],
  ["./a:b", { t: "local", path: "./a:b" }],
  ["/x/a:b", { t: "local", path: "/x/a:b" }],
  ["abc123:/tmp/x", { t: "sandbox", id: "abc123", path: "/tmp/x" }],
  ["abc123:x:y", { t: "sandbox", id: "abc123", path: "x:y" }],
  ["abc123:", { t: "sandbox", id: "abc123", path: "" }],
])("%s", (text, end) => expect(readCopyEnd(text)).toEqual(end));

const source = { t: "local", path: "/x/a.txt" } as const;
test.each([
  ["b.txt", false, "b.txt"],
  ["dir/", false, "dir/a.txt"],
  ["dir", true, "dir/a.txt"],
  ["", true, "a.txt"],
])("into %j (a folder: %s)", (target, isFolder, path) => expect(targetPath(target, isFolder, source)).toBe(path));

test("input has no name to keep", () => {
  expect(() => targetPath("dir/", false, { t: "standard" })).toThrow("is a folder");
});
