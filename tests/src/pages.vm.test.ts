/**
 * The pages of commands, followed word by word on a real platform. What waits for a person is given one: a terminal that
 * is typed into, a Ctrl-C, a browser. (http-files.md is followed by http-files.vm.test.ts, the clients' READMEs by
 * their own tests.)
 */
import { mkdirSync, mkdtempDisposableSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { testPlatform } from "./testing/api.ts";
import { runScript, shellBlocks } from "./testing/follow-page.ts";

const bin = fileURLToPath(new URL("../../cli/bin", import.meta.url));

/** `dnah` as on the page, and what a person does at the commands that wait for one. */
const person = `
trap 'dnah rm "$id" > /dev/null 2>&1 || true' EXIT
dnah() {
  case $1 in
    shell) printf 'echo typed $((6 * 7))\\nexit\\n' | script -qec "dnah shell $2" /dev/null ;;
    logs) timeout --signal=INT --preserve-status 10 dnah "$@" || test $? = 130 ;;
    down) echo 'the platform stays for the other tests' ;;
    *) command dnah "$@" ;;
  esac
}
`;
const browser = '#!/bin/sh\nexec curl -fsS -o "$OPENED" "$1"\n';
/** Listens where the page opens a port, and leaves the picture that the page fetches. */
const application = `import os, subprocess, sys
print("debug", os.environ["DEBUG"], os.getcwd())
open(os.path.expanduser("~/out.png"), "wb").write(b"a picture")
server = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "8080"]
subprocess.Popen(server, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
`;

async function follow(block: string) {
  using home = mkdtempDisposableSync(join(tmpdir(), "dnah-page-"));
  const file = (name: string) => join(home.path, name);
  mkdirSync(file("src"));
  mkdirSync(file("bin"));
  writeFileSync(file("src/module.py"), "");
  writeFileSync(file("app.py"), application);
  writeFileSync(file("bin/xdg-open"), browser, { mode: 0o755 });
  const { url, apiKey } = testPlatform();
  const env = {
    ...{ PATH: `${file("bin")}:${bin}:${process.env.PATH}`, HOME: home.path, TERM: "xterm", PWD: home.path },
    ...{ DNAH_URL: url, DNAH_API_KEY: apiKey, OPENED: file("opened") },
  };
  const { code, output } = await runScript(`${person}${block}`, home.path, env);
  expect(code, output).toBe(0);
  return output;
}

test("the first commands of README.md", async () => {
  const block = shellBlocks("README.md").find((text) => text.startsWith("alias dnah="));
  const output = await follow(block?.replace(/^alias .*\n/, "") ?? "");
  expect(output).toMatch(/^42$/m);
  expect(output).toMatch(/^Linux /m);
  expect(output).toMatch(/^hello$/m);
});

test("the commands of cli/README.md", async () => {
  const opened = "until [ -s $OPENED ]; do sleep 0.1; done";
  const block = shellBlocks("cli/README.md")[0]?.replace(/^(dnah open .*)$/m, `$1\n${opened}`) ?? "";
  const output = await follow(`${block}\ncat "$OPENED" out.png`);
  expect(output).toMatch(/^42$/m);
  expect(output).toMatch(/^debug 1 \/tmp$/m);
  expect(output).toContain("typed 42");
  expect(output).toMatch(/^process \S+ stdout \| debug 1 \/tmp$/m);
  expect(output).toContain("Directory listing");
  expect(output).toMatch(/a picture$/);
});

test("the commands of docs/ports.md", async () => {
  const output = await follow(shellBlocks("docs/ports.md")[0] ?? "");
  expect(output).toContain("Directory listing");
});

test("the commands of docs/edge.md", async () => {
  expect(await follow(shellBlocks("docs/edge.md")[0] ?? "")).toContain("{}");
});
