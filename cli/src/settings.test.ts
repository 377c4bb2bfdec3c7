import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readSettings, type SettingsSources } from "./settings.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dnah-settings-"));
  writeFileSync(join(folder, "admin.key"), "admin\n");
  writeFileSync(join(folder, "file.key"), "from-file\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

function sources(config: object | string | undefined, changes: Partial<SettingsSources> = {}): SettingsSources {
  const configFile = join(folder, `config-${Math.random()}.json`);
  if (config !== undefined) writeFileSync(configFile, typeof config === "string" ? config : JSON.stringify(config));
  return { flags: {}, env: {}, configFile, adminKeyFile: join(folder, "admin.key"), ...changes };
}

const local = "http://127.0.0.1:3000";
const flags = { url: "http://f:1", apiKey: "flag" };
const env = { DNAH_URL: "http://e:1", DNAH_API_KEY: "env" };

test("flags win over the environment, that over the file, that over this machine's platform", () => {
  const config = { url: "http://c:1", apiKeyFile: join(folder, "file.key") };
  expect(readSettings(sources(config, { flags, env }))).toEqual({ url: "http://f:1", apiKey: "flag" });
  expect(readSettings(sources(config, { env }))).toEqual({ url: "http://e:1", apiKey: "env" });
  expect(readSettings(sources(config))).toEqual({ url: "http://c:1", apiKey: "from-file" });
  expect(readSettings(sources({ url: "http://c:1", apiKey: "k" }))).toEqual({ url: "http://c:1", apiKey: "k" });
  expect(readSettings(sources(undefined))).toEqual({ url: local, apiKey: "admin" });
});

test("a stored key is sent to no other platform", () => {
  const config = { url: "http://c:1", apiKey: "secret" };
  expect(() => readSettings(sources(config, { flags: { url: "http://f:1" } }))).toThrow("no API key for http://f:1");
  expect(() => readSettings(sources(undefined, { env: { DNAH_URL: "http://e:1" } }))).toThrow("no API key");
  expect(readSettings(sources(config, { flags: { url: "http://c:1/" } })).apiKey).toBe("secret");
});

test("what is wrong is said", () => {
  expect(() => readSettings(sources("{"))).toThrow("is no JSON");
  expect(() => readSettings(sources({ apiKeyFile: join(folder, "none") }))).toThrow("can't be read");
  expect(() => readSettings(sources(undefined, { flags: { url: "localhost" } }))).toThrow('URL is "localhost"');
});
