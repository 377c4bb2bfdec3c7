/** The Python client, installed with pip as a user would, against the real platform. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pythonEnvironment } from "../../tools/src/python-env.ts";
import { testPlatform } from "./testing/api.ts";

const run = promisify(execFile);
/** Each of the two is many tests. */
const timeout = 300_000;
const sources = resolve(import.meta.dirname, "../../sdk-py-gen");
const installed = mkdtempSync(join(tmpdir(), "dnah-sdk-py-"));
let bin: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  const { url, apiKey } = testPlatform();
  bin = await pythonEnvironment(join(sources, "requirements-gen.txt"));
  await run(join(bin, "python"), [
    ...["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"],
    ...["--target", installed, sources],
  ]);
  env = { ...process.env, PYTHONPATH: installed, DNAH_URL: url, DNAH_API_KEY: apiKey };
});

afterAll(() => rmSync(installed, { recursive: true, force: true }));

// At once: both wait for sandboxes most of the time.
test.concurrent("its own tests pass, without a warning", { timeout }, async () => {
  const flags = ["-q", "-p", "no:cacheprovider", "-W", "error", "-o", "faulthandler_timeout=60"];
  const { stdout } = await run(join(bin, "pytest"), [...flags, join(sources, "tests")], {
    cwd: sources,
    env,
  }).catch((error: { stdout: string }) => {
    throw new Error(error.stdout);
  });
  expect(stdout).toMatch(/\d+ passed/);
});

test.concurrent("every program of its README runs as it stands there", { timeout }, async () => {
  const readme = readFileSync(join(sources, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/^```python\n([\s\S]*?)^```$/gm)].map((match) => match[1] as string);
  expect(blocks.length).toBeGreaterThan(3);
  // In the order of the page: a later one may use what an earlier one imported.
  const program = join(installed, "readme.py");
  writeFileSync(program, blocks.join("\n"));
  const { stdout } = await run(join(bin, "python"), ["-W", "error", program], { cwd: installed, env });
  for (const shown of [
    "0 42\n",
    "stdout 1\n",
    "hello from xterm-256color",
    "created new.txt\n",
    "try 1\n",
    "awake\n",
    "45\none\ntwo\n",
  ]) {
    expect(stdout).toContain(shown);
  }
});
