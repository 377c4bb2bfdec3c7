import { expect, test } from "vitest";
import { writeCpio } from "./cpio.ts";

test("an archive has exactly these bytes", () => {
  const archive = writeCpio([
    { t: "dir", path: "dev", mode: 0o755 },
    { t: "char", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { t: "file", path: "init", mode: 0o755, bytes: Buffer.from("hello") },
  ]);
  const header = (...fields: string[]) => `070701${fields.map((field) => field.padStart(8, "0")).join("")}`;
  const text = [
    `${header("1", "41ed", "0", "0", "2", "0", "0", "0", "0", "0", "0", "4", "0")}dev\0\0\0`,
    `${header("2", "2180", "0", "0", "1", "0", "0", "0", "0", "5", "1", "c", "0")}dev/console\0\0\0`,
    `${header("3", "81ed", "0", "0", "1", "0", "5", "0", "0", "0", "0", "5", "0")}init\0\0hello\0\0\0`,
    `${header("0", "0", "0", "0", "1", "0", "0", "0", "0", "0", "0", "b", "0")}TRAILER!!!\0\0\0\0`,
  ].join("");
  expect(archive.toString("latin1")).toBe(text.padEnd(512, "\0"));
});
