import { expect, test } from "vitest";
import { readDetachKey, splitAtKey } from "./detach-key.ts";

test("a detach key is a control character, or none", () => {
  expect(readDetachKey("ctrl-]")).toBe(0x1d);
  expect(readDetachKey("Ctrl-A")).toBe(0x01);
  expect(readDetachKey("none")).toBeUndefined();
  expect(() => readDetachKey("x")).toThrow("is no detach key");
});

test("what is typed before the key goes on, what comes with it does not", () => {
  const bytes = Buffer.from("ls\x1dexit");
  expect(splitAtKey(bytes, 0x1d)).toEqual({ typed: bytes.subarray(0, 2), left: true });
  expect(splitAtKey(bytes, undefined)).toEqual({ typed: bytes, left: false });
});
