/** The server's configuration, from the environment. */
import { type HostPort, readHostPort } from "@daytonah/lib/host-port.ts";
import type { LogLevel } from "@daytonah/lib/log.ts";

export interface Config {
  readonly listen: HostPort;
  readonly databaseUrl: string;
  /** Holds the secret that the platform's keys are sealed under. Every server of a platform has the same. */
  readonly secretFile: string;
  readonly logLevel: LogLevel;
  /** Where the first API key is written; nowhere where undefined, and then none is made. */
  readonly bootstrapKeyFile: string | undefined;
  /** Origin of the API as clients reach it; that of `listen` where undefined. */
  readonly publicUrl: string | undefined;
  /** Domain of the addresses of sandboxes' ports. */
  readonly domain: string;
  /** False: /metrics answers on loopback only. */
  readonly publicMetrics: boolean;
  /** How long hosts keep what deleted sandboxes had; 0: not at all. */
  readonly tombstoneMs: number;
  /** Calls of one organization that may be under way at this server. */
  readonly maxCallsPerOrg: number;
  /** The same of calls into sandboxes and streams of events. */
  readonly maxStreamsPerOrg: number;
}

const logLevels: readonly LogLevel[] = ["error", "warn", "info", "debug", "silent"];

/** Throws one error that lists every problem. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const problems: string[] = [];
  const required = (name: string, what: string): string => {
    if (!env[name]) problems.push(`${name} is not set: ${what}`);
    return env[name] ?? "";
  };
  const config: Config = {
    listen: readHostPort("DNAH_LISTEN", env.DNAH_LISTEN ?? "127.0.0.1:3000", problems),
    databaseUrl: readDatabaseUrl(
      required("DNAH_DATABASE_URL", "a URL such as postgres://user@/daytonah?host=/run/pg"),
      problems,
    ),
    secretFile: required("DNAH_SECRET_FILE", "the file with the platform's secret, made at its very first start"),
    logLevel: readOneOf("DNAH_LOG_LEVEL", env.DNAH_LOG_LEVEL ?? "info", logLevels, problems),
    bootstrapKeyFile: env.DNAH_BOOTSTRAP_KEY_FILE || undefined,
    publicUrl: readOrigin("DNAH_PUBLIC_URL", env.DNAH_PUBLIC_URL || undefined, problems),
    domain: readDomain(env.DNAH_DOMAIN || "localhost", problems),
    publicMetrics:
      readOneOf("DNAH_METRICS", env.DNAH_METRICS ?? "loopback", ["loopback", "public"], problems) === "public",
    tombstoneMs: readTime("DNAH_TOMBSTONE_RETENTION", env.DNAH_TOMBSTONE_RETENTION || "24h", problems),
    maxCallsPerOrg: readCount("DNAH_MAX_CALLS_PER_ORG", env.DNAH_MAX_CALLS_PER_ORG || "500", problems),
    maxStreamsPerOrg: readCount("DNAH_MAX_STREAMS_PER_ORG", env.DNAH_MAX_STREAMS_PER_ORG || "5000", problems),
  };
  if (problems.length > 0) throw new Error(`The configuration is wrong:\n  ${problems.join("\n  ")}`);
  return Object.freeze(config);
}

function readDatabaseUrl(text: string, problems: string[]): string {
  // The value may hold a password: it is not repeated.
  if (text && !/^postgres(ql)?:\/\//.test(text)) problems.push("DNAH_DATABASE_URL is no postgres:// URL");
  return text;
}

function readOrigin(name: string, text: string | undefined, problems: string[]): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`) return url.origin;
  problems.push(`${name} is ${JSON.stringify(text)}: write an origin, such as https://api.example.org`);
  return undefined;
}

/** Longer ones leave no room for a port and a sandbox's id before them. */
function readDomain(text: string, problems: string[]): string {
  const label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
  if (!new RegExp(`^${label}(\\.${label})*$`).test(text) || text.length > 180) {
    problems.push(
      `DNAH_DOMAIN is ${JSON.stringify(text)}: write a domain in lower case, such as sandboxes.example.net`,
    );
  }
  return text;
}

function readTime(name: string, text: string, problems: string[]): number {
  const match = /^(?:0|(\d{1,6})([smhd]))$/.exec(text);
  if (!match) problems.push(`${name} is ${JSON.stringify(text)}: write a time such as 30m, 24h or 7d, or 0`);
  const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match?.[2] ?? ""] ?? 0;
  return Number(match?.[1] ?? 0) * unitMs;
}

function readCount(name: string, text: string, problems: string[]): number {
  if (!/^[1-9]\d{0,6}$/.test(text))
    problems.push(`${name} is ${JSON.stringify(text)}: write a number from 1 to 9999999`);
  return Number(text);
}

function readOneOf<T extends string>(name: string, text: string, allowed: readonly T[], problems: string[]): T {
  if (!(allowed as readonly string[]).includes(text)) {
    problems.push(`${name} is ${JSON.stringify(text)}: write one of ${allowed.join(", ")}`);
  }
  return text as T;
}
