import { expect, test } from "vitest";
import { chPathsOf, requireShortPaths } from "./paths.ts";

test("all sockets of the longest folder a VM may have fit into a socket address, the guest's own too", () => {
  const paths = chPathsOf({ dir: `/${"d".repeat(79)}`, uid: 1 }, "/s");
  requireShortPaths(paths);
  for (const path of [paths.api, paths.vsock, `${paths.vsockDevice}_4294967295`]) {
    expect(Buffer.byteLength(path)).toBeLessThan(108);
  }
});

test("a longer one is refused: Node would cut it off without a word", () => {
  // Bytes count, not letters.
  const paths = chPathsOf({ dir: `/${"ä".repeat(46)}`, uid: 1 }, "/s");
  expect(() => requireShortPaths(paths)).toThrow(/bytes long, a unix socket there may have 96/);
});

test("what the VMM's user can write to is apart from what is ours", () => {
  const { own, api, vsockDevice, console, events, snapshot, ...ours } = chPathsOf({ dir: "/run/7", uid: 9 }, "/state");
  for (const path of [api, vsockDevice, console, events]) {
    expect(path.startsWith(`${own}/`)).toBe(true);
  }
  for (const path of Object.values(ours)) {
    expect([own, snapshot].some((folder) => path.startsWith(folder))).toBe(false);
  }
});
