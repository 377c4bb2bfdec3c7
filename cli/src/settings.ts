/** Which platform to talk to, and with which key. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { CliError } from "./cli-error.ts";

export interface GlobalFlags {
  readonly json?: boolean;
  readonly url?: string;
  readonly apiKey?: string;
}

export interface Settings {
  readonly url: string;
  readonly apiKey: string;
}

export interface SettingsSources {
  readonly flags: GlobalFlags;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Written by `dnah up`. */
  readonly configFile: string;
  /** The key that `dnah up` makes; only root may read it. */
  readonly adminKeyFile: string;
}

interface Config {
  readonly url?: string;
  readonly apiKey?: string;
  readonly apiKeyFile?: string;
}

const defaultUrl = "http://127.0.0.1:3000";

export function settingsSources(flags: GlobalFlags): SettingsSources {
  return {
    flags,
    env: process.env,
    configFile: join(homedir(), ".config/dnah/config.json"),
    adminKeyFile: "/var/lib/daytonah/admin.key",
  };
}

/** Flags first, then the environment, then the file, then what a platform on this machine left. */
export function readSettings({ flags, env, configFile, adminKeyFile }: SettingsSources): Settings {
  const config = readConfig(configFile);
  const ownUrl = config.url ?? defaultUrl;
  const url = flags.url ?? (env.DNAH_URL || ownUrl);
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new CliError(
      `The platform's URL is "${url}".`,
      "Give one that begins with http:// or https:// (--url, DNAH_URL).",
    );
  }
  const given = flags.apiKey ?? (env.DNAH_API_KEY || undefined);
  // A stored key belongs to the platform it was stored with: never send it to another one.
  const stored = sameOrigin(url, ownUrl) ? storedKey(config, configFile, adminKeyFile) : undefined;
  const apiKey = given ?? stored;
  if (!apiKey) {
    throw new CliError(
      `There is no API key for ${url}.`,
      "Set DNAH_API_KEY, or start a platform on this machine with `dnah up`.",
    );
  }
  return { url, apiKey };
}

function storedKey(config: Config, configFile: string, adminKeyFile: string): string | undefined {
  if (config.apiKey) return config.apiKey;
  if (config.apiKeyFile === undefined) return readIfThere(adminKeyFile);
  const key = readIfThere(config.apiKeyFile);
  if (key !== undefined) return key;
  throw new CliError(
    `The API key's file ${config.apiKeyFile}, named by ${configFile}, can't be read.`,
    "Run dnah as the user who started the platform, or set DNAH_API_KEY.",
  );
}

function readConfig(file: string): Config {
  const text = readIfThere(file);
  if (text === undefined) return {};
  try {
    return JSON.parse(text) as Config;
  } catch (cause) {
    throw new CliError(`${file} is no JSON.`, "Mend it or remove it; `dnah up` writes it anew.", { cause });
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return undefined; // not there, or not ours to read
  }
}

function sameOrigin(a: string, b: string): boolean {
  return URL.canParse(b) && new URL(a).origin === new URL(b).origin;
}
