import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readAddress, readUpOptions, type UpFlags } from "./options.ts";
import { UpError } from "./up-error.ts";

const flags: UpFlags = {
  dataDir: "/data",
  runDir: "/run/x",
  listen: "127.0.0.1:3000",
  hostdListen: "[::1]:18048",
  edgeListen: "[::1]:18049",
  logLevel: "info",
  config: true,
};

function folderWithBundle(): string {
  const folder = mkdtempSync(join(tmpdir(), "dnah-bundle-"));
  writeFileSync(join(folder, "bundle.json"), "{}");
  return folder;
}

test("addresses of both families are read", () => {
  expect(readAddress("--listen", "127.0.0.1:3000")).toEqual({ host: "127.0.0.1", port: 3000 });
  expect(readAddress("--listen", "[::1]:1")).toEqual({ host: "::1", port: 1 });
});

test.each(["3000", "localhost", ":1", "a:0", "a:65536", "::1:3000"])("%s is no address", (text) => {
  expect(() => readAddress("--listen", text)).toThrow(UpError);
});

test("the installer's images are taken where no flag names any", () => {
  const bundle = folderWithBundle();
  const cache = mkdtempSync(join(tmpdir(), "dnah-cache-"));
  writeFileSync(join(cache, "setup.json"), JSON.stringify({ bundle, vhostDeviceVsock: "/bin/vsock" }));
  const options = readUpOptions(flags, { DNAH_CACHE_DIR: cache });
  expect(options).toMatchObject({ bundle, vhostDeviceVsock: "/bin/vsock" });
  expect(options.hostdListen).toEqual({ host: "::1", port: 18048 });
});

test("what the processes are told by variables is handed on, and nothing else", () => {
  const limits = { DNAH_MAX_CALLS_PER_ORG: "9", DNAH_MAX_STREAMS_PER_ORG: "99" };
  const env = {
    DNAH_PUBLIC_URL: "https://api.example.org",
    ...limits,
    DNAH_EDGE_URL: "https://h",
    DNAH_DATA_DIR: "/x",
  };
  const { serverEnv, hostdEnv } = readUpOptions({ ...flags, bundle: folderWithBundle() }, env);
  expect([serverEnv, hostdEnv]).toEqual([
    { DNAH_PUBLIC_URL: "https://api.example.org", ...limits },
    { DNAH_EDGE_URL: "https://h" },
  ]);
});

test("how long deleted sandboxes are kept is handed on", () => {
  const { serverEnv } = readUpOptions({ ...flags, bundle: folderWithBundle(), tombstoneRetention: "0" }, {});
  expect(serverEnv).toEqual({ DNAH_TOMBSTONE_RETENTION: "0" });
});

test("without images it says how to make them", () => {
  const cache = mkdtempSync(join(tmpdir(), "dnah-cache-"));
  expect(() => readUpOptions(flags, { DNAH_CACHE_DIR: cache })).toThrow(/no guest images yet/);
  expect(() => readUpOptions({ ...flags, bundle: cache }, {})).toThrow(/has no bundle\.json/);
});
