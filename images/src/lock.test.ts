import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { formatLock, type Lock, packagesOf, parseLock } from "./lock.ts";
import { defaultSuite, lockPath } from "./lock-path.ts";

const item = {
  name: "bash",
  version: "5.2",
  archive: "main",
  filename: "pool/main/b/bash/bash_5.2_amd64.deb",
  sizeBytes: 1,
  sha256: "ab".repeat(32),
} as const;
const lock: Lock = {
  formatVersion: 1,
  distribution: "debian",
  suite: "bookworm",
  architecture: "amd64",
  sourceDateEpoch: 1_700_000_000,
  packages: [item],
  groups: { kernel: ["bash"], tools: ["bash"], base: ["bash"] },
};

test("a lock survives being written and read", () => {
  expect(parseLock(formatLock(lock), "x.json")).toEqual(lock);
});

describe("a lock is refused, by name and with a way out, when", () => {
  const cases: [string, unknown, RegExp][] = [
    ["its format is newer", { ...lock, formatVersion: 2 }, /x\.json: formatVersion is 2/],
    ["a digest is short", { ...lock, packages: [{ ...item, sha256: "ab" }] }, /bash has a sha256/],
    [
      "a file name climbs out of the pool",
      { ...lock, packages: [{ ...item, filename: "pool/../../etc/x.deb" }] },
      /odd filename/,
    ],
    ["a package is listed twice", { ...lock, packages: [item, item] }, /listed twice/],
    ["a group names a stranger", { ...lock, groups: { ...lock.groups, base: ["zsh"] } }, /names zsh/],
    ["a group is missing", { ...lock, groups: { kernel: ["bash"] } }, /group tools is missing/],
  ];
  test.each(cases)("%s", (_name, value, message) => {
    expect(() => parseLock(JSON.stringify(value), "x.json")).toThrow(message);
  });

  test("it is not JSON", () => {
    expect(() => parseLock("<<<<<<< HEAD", "x.json")).toThrow(/x\.json is not JSON/);
  });
});

test.each(["amd64", "arm64"] as const)(
  "the committed %s lock is sound and as the refresher writes it",
  async (architecture) => {
    const path = lockPath(defaultSuite, architecture);
    const text = await readFile(path, "utf8");
    const committed = parseLock(text, path);
    expect(formatLock(committed)).toBe(text);
    expect(committed.architecture).toBe(architecture);
    expect(packagesOf(committed, "kernel").map((p) => p.name)).toEqual([
      expect.stringMatching(/^linux-image-[\d.-]+-cloud-/),
    ]);
    for (const name of [
      "python3",
      "nodejs",
      "git",
      "curl",
      "ca-certificates",
      "sudo",
      "procps",
      "iproute2",
      "bash",
      "python-is-python3",
    ]) {
      expect(committed.groups.base).toContain(name);
    }
  },
);
