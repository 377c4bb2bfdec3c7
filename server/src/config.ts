/** The server's configuration, from the environment. */
import { type HostPort, readHostPort } from "@daytonah/lib/host-port.ts";
import type { LogLevel } from "@daytonah/lib/log.ts";

export interface Config {
  readonly listen: HostPort;
  readonly databaseUrl: string;
  /** Certificates and keys. */
  readonly dataDir: string;
  readonly hosts: readonly HostConfig[];
  readonly logLevel: LogLevel;
  /** Where the first API key is written; nowhere where undefined, and then none is made. */
  readonly bootstrapKeyFile: string | undefined;
  /** Origin of the API as clients reach it; that of `listen` where undefined. */
  readonly publicUrl: string | undefined;
  /** Domain of the addresses of sandboxes' ports. */
  readonly domain: string;
  /** False: /metrics answers on loopback only. */
  readonly publicMetrics: boolean;
}

export interface HostConfig {
  readonly id: string;
  /** Origin of its daemon, such as "https://127.0.0.1:18048". */
  readonly url: string;
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
    dataDir: required("DNAH_DATA_DIR", "the directory for certificates and keys"),
    hosts: readHosts(env.DNAH_HOSTS ?? "", problems),
    logLevel: readOneOf("DNAH_LOG_LEVEL", env.DNAH_LOG_LEVEL ?? "info", logLevels, problems),
    bootstrapKeyFile: env.DNAH_BOOTSTRAP_KEY_FILE || undefined,
    publicUrl: readOrigin("DNAH_PUBLIC_URL", env.DNAH_PUBLIC_URL || undefined, problems),
    domain: readDomain(env.DNAH_DOMAIN || "localhost", problems),
    publicMetrics:
      readOneOf("DNAH_METRICS", env.DNAH_METRICS ?? "loopback", ["loopback", "public"], problems) === "public",
  };
  if (problems.length > 0) throw new Error(`The configuration is wrong:\n  ${problems.join("\n  ")}`);
  return Object.freeze(config);
}

function readDatabaseUrl(text: string, problems: string[]): string {
  // The value may hold a password: it is not repeated.
  if (text && !/^postgres(ql)?:\/\//.test(text)) problems.push("DNAH_DATABASE_URL is no postgres:// URL");
  return text;
}

function readHosts(text: string, problems: string[]): readonly HostConfig[] {
  const hosts = text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")
    .map((entry) => {
      const at = entry.indexOf("=");
      const [id, url] = [entry.slice(0, Math.max(0, at)), entry.slice(at + 1)];
      const origin = URL.canParse(url) ? new URL(url) : undefined;
      if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(id) || origin?.protocol !== "https:" || origin.pathname !== "/") {
        problems.push(`DNAH_HOSTS has ${JSON.stringify(entry)}: write id=https://address:port, the id of [a-z0-9-]`);
      }
      return { id, url: origin?.origin ?? url };
    });
  const ids = hosts.map(({ id }) => id);
  for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index))) {
    problems.push(`DNAH_HOSTS names the host ${id} twice`);
  }
  return hosts;
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

function readOneOf<T extends string>(name: string, text: string, allowed: readonly T[], problems: string[]): T {
  if (!(allowed as readonly string[]).includes(text)) {
    problems.push(`${name} is ${JSON.stringify(text)}: write one of ${allowed.join(", ")}`);
  }
  return text as T;
}
