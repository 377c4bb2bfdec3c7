import { expect, test } from "vitest";
import { readConfig } from "./config.ts";

const least = { DNAH_DATABASE_URL: "postgres://u@/d?host=/run", DNAH_SECRET_FILE: "/s" };

test("what is absent has its default", () => {
  expect(readConfig(least)).toEqual({
    listen: { host: "127.0.0.1", port: 3000 },
    databaseUrl: "postgres://u@/d?host=/run",
    secretFile: "/s",
    logLevel: "info",
    bootstrapKeyFile: undefined,
    publicUrl: undefined,
    domain: "localhost",
    publicMetrics: false,
    tombstoneMs: 86_400_000,
    maxCallsPerOrg: 500,
    maxStreamsPerOrg: 5_000,
  });
});

test("addresses are read", () => {
  expect(readConfig({ ...least, DNAH_LISTEN: "[::1]:0" }).listen).toEqual({ host: "::1", port: 0 });
});

test("origin and domain are read", () => {
  const config = readConfig({ ...least, DNAH_PUBLIC_URL: "https://api.example.org/", DNAH_DOMAIN: "example.net" });
  expect(config).toMatchObject({ publicUrl: "https://api.example.org", domain: "example.net" });
});

test("a time is a number with its unit, or 0", () => {
  const tombstoneMs = (text: string) => readConfig({ ...least, DNAH_TOMBSTONE_RETENTION: text }).tombstoneMs;
  expect(["0", "30s", "15m", "7d"].map(tombstoneMs)).toEqual([0, 30_000, 900_000, 604_800_000]);
  expect(() => tombstoneMs("1 week")).toThrow('DNAH_TOMBSTONE_RETENTION is "1 week": write a time such as');
});

test("one error lists every problem and repeats no password", () => {
  const wrong = {
    DNAH_DATABASE_URL: "mysql://u:secret@x",
    DNAH_LISTEN: "3000",
    DNAH_LOG_LEVEL: "loud",
    DNAH_METRICS: "yes",
    DNAH_PUBLIC_URL: "https://api.example.org/path",
    DNAH_DOMAIN: "*.example.org",
    DNAH_MAX_CALLS_PER_ORG: "0",
    DNAH_MAX_STREAMS_PER_ORG: "many",
  };
  expect(() => readConfig(wrong)).toThrowErrorMatchingInlineSnapshot(`
    [Error: The configuration is wrong:
      DNAH_LISTEN is "3000", and must be <host>:<port>
      DNAH_DATABASE_URL is no postgres:// URL
      DNAH_SECRET_FILE is not set: the file with the platform's secret, made at its very first start
      DNAH_LOG_LEVEL is "loud": write one of error, warn, info, debug, silent
      DNAH_PUBLIC_URL is "https://api.example.org/path": write an origin, such as https://api.example.org
      DNAH_DOMAIN is "*.example.org": write a domain in lower case, such as sandboxes.example.net
      DNAH_METRICS is "yes": write one of loopback, public
      DNAH_MAX_CALLS_PER_ORG is "0": write a number from 1 to 9999999
      DNAH_MAX_STREAMS_PER_ORG is "many": write a number from 1 to 9999999]
  `);
});
