/** Tells `dnah` and the SDKs of this user where the platform is. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

export interface ClientConfig {
  readonly url: string;
  readonly apiKeyFile: string;
}

export function writeClientConfig(config: ClientConfig): void {
  const file = join(homedir(), ".config/dnah/config.json");
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
