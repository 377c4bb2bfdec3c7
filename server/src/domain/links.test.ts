import { expect, test } from "vitest";
import { directPortUrlOf, fileUrlOf, portUrlOf } from "./links.ts";

test.each([
  ["http://127.0.0.1:3000", "localhost", "http://80-abc.localhost:3000/?dnah_token=1.x"],
  ["https://api.example.org", "sandboxes.example.net", "https://80-abc.sandboxes.example.net/?dnah_token=1.x"],
])("a port's address has the scheme and port of %s, and a name under %s", (publicUrl, domain, expected) => {
  expect(portUrlOf({ publicUrl, domain }, "abc", 80, "1.x")).toBe(expected);
});

test.each([
  ["", ""],
  ["http://127.0.0.1:18049", "http://80-abc.localhost:18049/?dnah_token=1.x"],
  ["http://[::1]:18049", "http://80-abc.localhost:18049/?dnah_token=1.x"],
  ["http://10.0.0.5:18049", "http://80-abc.10.0.0.5.nip.io:18049/?dnah_token=1.x"],
  ["https://host1.example.org", "https://80-abc.host1.example.org/?dnah_token=1.x"],
  ["https://[2001:db8::5]:18049", ""],
])("at the edge %j a port's address is %j", (edgeUrl, expected) => {
  expect(directPortUrlOf(edgeUrl, "abc", 80, "1.x")).toBe(expected);
});

test("a file's address carries its signed query, and there is none without an origin", () => {
  const query = new URLSearchParams({ path: "/a b", operation: "read" });
  expect(fileUrlOf("http://h:1", "abc", query)).toBe("http://h:1/v1/sandboxes/abc/files?path=%2Fa+b&operation=read");
  expect(fileUrlOf("", "abc", query)).toBe("");
});
