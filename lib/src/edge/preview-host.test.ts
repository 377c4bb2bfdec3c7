import { expect, test } from "vitest";
import { previewHostOf } from "./preview-host.ts";

test.each([
  ["3000-abc.localhost", { port: 3000, sandboxId: "abc", domain: "localhost" }],
  ["3000-abc.localhost:8443", { port: 3000, sandboxId: "abc", domain: "localhost" }],
  ["80-ABC.Example.ORG.", { port: 80, sandboxId: "abc", domain: "example.org" }],
  ["65535-a1.10.0.0.5.nip.io:18049", { port: 65535, sandboxId: "a1", domain: "10.0.0.5.nip.io" }],
])("%s names a port of a sandbox", (host, expected) => {
  expect(previewHostOf(host)).toEqual(expected);
});

test.each([
  undefined,
  "",
  "localhost:3000",
  "abc.localhost",
  "0-abc.localhost",
  "080-abc.localhost",
  "65536-abc.localhost",
  "3000-.localhost",
  "3000-abc",
  "3000-a_b.localhost",
  "3000-abc-def.localhost",
  "x.3000-abc.localhost",
  "3000-abc.local/host",
  "[::1]:3000",
])("%s names none", (host) => {
  expect(previewHostOf(host)).toBeUndefined();
});
