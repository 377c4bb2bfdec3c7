import { expect, test } from "vitest";
import { lackOf } from "./landlock.ts";

test.each([
  ["6.2.0", "capability,landlock,yama", undefined],
  ["6.12.9-amd64", "landlock", undefined],
  ["6.1.0-50-amd64", "capability,landlock", /6\.1\.0.* is older than 6\.2/],
  ["6.12.9", "capability,yama", /lsm=/],
  ["6.12.9", undefined, /securityfs/],
])("Linux %s with %s", (kernel, modules, lack) => {
  const found = lackOf(kernel, modules);
  if (lack === undefined) {
    expect(found).toBeUndefined();
  } else {
    expect(found).toMatch(lack);
  }
});
