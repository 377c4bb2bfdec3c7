import { expect, test } from "vitest";
import { readHostPort } from "./host-port.ts";

test.each([
  ["127.0.0.1:3000", { host: "127.0.0.1", port: 3000 }],
  ["host.example:0", { host: "host.example", port: 0 }],
  ["[::1]:65535", { host: "::1", port: 65_535 }],
])("%s is an address", (text, expected) => {
  const problems: string[] = [];
  expect(readHostPort("LISTEN", text, problems)).toEqual(expected);
  expect(problems).toEqual([]);
});

test.each(["", "3000", "nowhere", ":80", "::1:80", "[::1]", "[x]:80", "a b:80", "h:70000", "h:-1"])(
  "%s is told as what it should be",
  (text) => {
    const problems: string[] = [];
    readHostPort("LISTEN", text, problems);
    expect(problems).toEqual([`LISTEN is "${text}", and must be <host>:<port>`]);
  },
);
