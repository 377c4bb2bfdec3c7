/** `verify/perf-quick.sh`, with what the set-up and `dnah up` know: the images, the vsock device, the platform's address and key. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { cacheDirOf } from "../../images/src/cache.ts";
import type { Setup } from "./setup/setup.ts";

const read = <T>(file: string): T => JSON.parse(readFileSync(file, "utf8")) as T;

const setup = read<Setup>(join(cacheDirOf(process.env), "setup.json"));
const platform = read<{ url: string; apiKeyFile: string }>(join(homedir(), ".config/dnah/config.json"));
process.env.DNAH_URL ??= platform.url;
process.env.DNAH_API_KEY ??= readFileSync(platform.apiKeyFile, "utf8").trim();
// Of the private PostgreSQL that `dnah up` has beside the key, where there is no other.
const socketDir = join(dirname(platform.apiKeyFile), "postgres/run");
const databaseUrl =
  process.env.DNAH_DATABASE_URL ?? `postgres://daytonah@/daytonah?host=${encodeURIComponent(socketDir)}`;
const flags = [
  "--bundle",
  setup.bundle,
  "--vhost-device-vsock",
  setup.vhostDeviceVsock,
  "--agent",
  setup.invm,
  "--database-url",
  databaseUrl,
];
process.argv.splice(2, 0, ...flags);
// In this process, so that signals reach it.
await import("../../verify/src/perf-quick.ts");
