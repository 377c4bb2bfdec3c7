/** dnah as a process, against a fake platform. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { internalError } from "daytonah/testing/fake-error.ts";
import { expect, test, vi } from "vitest";
import { cliFixture } from "./testing/run-cli.ts";

// Each start of dnah is a process of its own, on a machine that may be busy with VMs.
vi.setConfig({ testTimeout: 60_000 });

test("run passes output and exit code on, and deletes the sandbox", async () => {
  await using cli = await cliFixture();
  expect(await cli.run("run", "--", "echo", "-n", "hi")).toEqual({ exitCode: 0, stdout: "-n hi\n", stderr: "" });
  expect(await cli.run("run", "oops", "bad")).toEqual({ exitCode: 1, stdout: "", stderr: "bad\n" });
  expect((await cli.run("run", "exit", "42")).exitCode).toBe(42);
  expect(cli.fake.platform.sandboxes.size).toBe(0);
});

test("run --keep keeps it, and --verbose tells the stages", async () => {
  await using cli = await cliFixture();
  const { stderr } = await cli.run("run", "--keep", "--verbose", "echo", "x");
  const [id] = cli.fake.platform.sandboxes.keys();
  expect(stderr).toContain(`dnah: the sandbox is ${id}`);
  expect(stderr).toMatch(/was created in [\d.]+ ms \(ms each: queue 1\.0, vmm 20\.0\)/);
});

test("create, ls, exec, rm", async () => {
  await using cli = await cliFixture();
  const id = (await cli.run("create", "-m", "job=7")).stdout.trim();
  const { stdout } = await cli.run("ls");
  expect(stdout.split("\n")[0]).toMatch(/^ID +STATE +TEMPLATE/);
  expect(stdout).toMatch(new RegExp(`^${id}  running  base +1 +512 .* job=7$`, "m"));
  expect((await cli.run("ls", "-q")).stdout).toBe(`${id}\n`);
  expect((await cli.run("exec", id, "-e", "A=1", "--", "env")).stdout).toBe("A=1\n");
  expect((await cli.run("exec", "-u", "root", "-w", "/tmp", id, "where")).stdout).toBe("root:/tmp\n");
  const input = cli.start(["exec", "-i", id, "--", "cat"], { input: "from stdin" });
  expect(await input.result).toEqual({ exitCode: 0, stdout: "from stdin", stderr: "" });
  const removed = await cli.run("rm", "nope", id);
  expect(removed).toMatchObject({ exitCode: 1, stdout: `${id}\n` });
  expect(removed.stderr).toBe(
    "dnah: There is no sandbox nope in your organization.\nnext: List your sandboxes to see which there are.\n",
  );
});

test("exec -i ends with its command, also while standard input is open", async () => {
  await using cli = await cliFixture();
  const id = (await cli.run("create")).stdout.trim();
  const running = cli.start(["exec", "-i", id, "--", "echo", "done"]);
  expect(await running.result).toMatchObject({ exitCode: 0, stdout: "done\n" });
});

test("Ctrl-C goes to the command; the sandbox is deleted", async () => {
  await using cli = await cliFixture();
  const running = cli.start(["run", "sleep"]);
  await running.printed("sleeping");
  running.child.kill("SIGINT");
  expect(await running.result).toMatchObject({ exitCode: 130 });
  expect(cli.fake.platform.sandboxes.size).toBe(0);
});

test("Ctrl-C twice kills a command that does not mind the first", async () => {
  await using cli = await cliFixture();
  const running = cli.start(["run", "stubborn"]);
  await running.printed("ready");
  running.child.kill("SIGINT");
  await running.printed("ignored");
  running.child.kill("SIGINT");
  expect(await running.result).toMatchObject({ exitCode: 137 });
  expect(cli.fake.platform.sandboxes.size).toBe(0);
});

test("a reader that goes away ends the command, and leaves no sandbox", async () => {
  await using cli = await cliFixture();
  const running = cli.start(["run", "flood", "100000", "1000"]);
  await running.printed("abc");
  running.child.stdout?.destroy();
  expect(await running.result).toMatchObject({ exitCode: 141, stderr: "" });
  expect(cli.fake.platform.sandboxes.size).toBe(0);
});

test("cp copies both ways, through pipes, and leaves no half file", async () => {
  await using cli = await cliFixture();
  const id = (await cli.run("create")).stdout.trim();
  writeFileSync(join(cli.home, "a.sh"), "content", { mode: 0o755 });
  expect(await cli.run("cp", "a.sh", `${id}:`)).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  expect(cli.fake.platform.sandbox(id).files.get("/home/user/a.sh")?.mode).toBe(0o755);
  mkdirSync(join(cli.home, "out"));
  await cli.run("cp", `${id}:a.sh`, "out");
  expect(readFileSync(join(cli.home, "out/a.sh"), "utf8")).toBe("content");
  await cli.start(["cp", "-", `${id}:/tmp/piped`], { input: "x".repeat(3_000_000) }).result;
  expect((await cli.run("cp", `${id}:/tmp/piped`, "-")).stdout).toHaveLength(3_000_000);
  const missing = await cli.run("cp", `${id}:nope`, "out/a.sh");
  expect(missing).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("/home/user/nope is not there.") });
  expect(statSync(join(cli.home, "out/a.sh")).size).toBe(7);
  expect((await cli.run("cp", "a.sh", "b.sh")).stderr).toContain("One end must be in a sandbox");
});

test("cp of a directory asks for -r", async () => {
  await using cli = await cliFixture();
  const id = (await cli.run("create")).stdout.trim();
  mkdirSync(join(cli.home, "tree"));
  expect(await cli.run("cp", "tree", `${id}:`)).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: "dnah: tree is a directory.\nnext: Use -r.\n",
  });
});

test("templates, hosts, pools and keys", async () => {
  await using cli = await cliFixture();
  expect((await cli.run("templates")).stdout).toContain("base  2048      Debian with Python and Node.");
  expect((await cli.run("hosts")).stdout).toMatch(/host-1 +ready +qemu +no \(emulated\)/);
  const set = await cli.run("pools", "set", "base", "--vcpus", "2", "--ready", "1", "--most", "9", "--window", "60");
  expect(set.stdout).toMatch(/^base +2 +0 +template's +1 +0 +1 +1-9 +3 +1$/m);
  expect(JSON.parse((await cli.run("pools", "--json")).stdout)).toMatchObject([
    { maxReady: 9, demandWindowMs: 60_000 },
  ]);
  expect((await cli.run("pools", "rm", "base")).exitCode).toBe(0);
  expect((await cli.run("pools", "rm", "base")).stderr).toContain("There is no pool of base.");
  const created = await cli.run("keys", "create", "ci", "-s", "sandboxes:read", "--format", "e2b");
  expect(created.stdout).toMatch(/^e2b_a+\n$/);
  expect(created.stderr).toContain("key_1 may sandboxes:read");
  expect((await cli.run("keys", "ls")).stdout).toMatch(/key_1 .* sandboxes:read +ci/);
  expect((await cli.run("keys", "revoke", "key_1")).stdout).toBe("key_1\n");
  expect((await cli.run("keys", "revoke", "key_1")).exitCode).toBe(1);
  expect((await cli.run("orgs", "create", "team")).stdout).toMatch(/^dnah_/);
  expect((await cli.run("orgs", "limit", "org_1", "--sandboxes", "10", "--memory", "4096")).stdout).toBe("org_1\n");
  expect((await cli.run("orgs", "ls")).stdout).toMatch(/org_1 +10 +- +4096 +team/);
});

test("a host is drained until it is empty, is open again, and is removed; with sandboxes on it only by force", async () => {
  await using cli = await cliFixture();
  await cli.run("create");
  const drained = await cli.run("host", "drain", "host-1", "--wait", "--json");
  expect(JSON.parse(drained.stdout)).toMatchObject({ id: "host-1", draining: true, sandboxes: 0, snapshots: 0 });
  expect((await cli.run("hosts")).stdout).toMatch(/host-1 +ready, draining/);
  expect((await cli.run("host", "undrain", "host-1")).stdout).toBe("host-1\n");
  expect((await cli.run("host", "rm", "host-1")).stderr).toContain("has sandboxes");
  expect((await cli.run("host", "rm", "host-1", "--force")).stdout).toBe("host-1\n");
  expect((await cli.run("host", "drain", "host-1")).stderr).toContain("There is no host host-1.");
});

test("--json stands before or after the command, and prints documents or lines", async () => {
  await using cli = await cliFixture();
  const { id, accessToken, stages } = JSON.parse((await cli.run("create", "--json")).stdout);
  expect([accessToken, stages[0]]).toEqual([`token-${id}`, { stage: "queue", ms: 1 }]);
  const list = JSON.parse((await cli.run("--json", "ls")).stdout);
  expect(list).toMatchObject([{ id, state: "running", vcpus: 1, createTime: expect.stringMatching(/^20.*Z$/) }]);
  const lines = (await cli.run("exec", "--json", id, "--", "oops", "--json")).stdout.trim().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { event: "output", stream: "stderr", offset: 0, text: "--json\n" },
    { event: "exit", exitCode: 1, timedOut: false, outOfMemory: false, lostBytes: 0, runTimeMs: expect.any(Number) },
  ]);
  expect(JSON.parse((await cli.run("rm", "--json", id)).stdout)).toEqual({ deleted: [id] });
  const failed = await cli.run("exec", "--json", id, "ls");
  expect(failed).toMatchObject({ exitCode: 125, stdout: "" });
  expect(JSON.parse(failed.stderr).error).toMatchObject({
    code: "not_found",
    reason: "SANDBOX_NOT_FOUND",
    nextStep: "List your sandboxes to see which there are.",
  });
});

test("exit codes tell usage errors, platform failures and failures of run and exec apart", async () => {
  await using cli = await cliFixture();
  expect(await cli.run("lss")).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("Did you mean ls?") });
  expect((await cli.run("create", "--vcpus", "two")).exitCode).toBe(2);
  expect((await cli.run("--help")).exitCode).toBe(0);
  expect((await cli.run("ls", "--api-key", "wrong")).exitCode).toBe(1);
  const missing = await cli.run("run", "nope");
  expect(missing).toEqual({
    exitCode: 125,
    stdout: "",
    stderr: "dnah: nope is not there.\nnext: Check the program's name, or give its full path.\n",
  });
  expect((await cli.run("run", "-t", "nope", "echo")).exitCode).toBe(125);
  expect(cli.fake.platform.sandboxes.size).toBe(0);
});

test("a sandbox that could not be deleted is told of beside the command's own exit code", async () => {
  await using cli = await cliFixture();
  cli.fake.platform.faults.next("DeleteSandbox", { t: "error", error: internalError() });
  const { exitCode, stderr } = await cli.run("run", "exit", "5");
  const [id] = cli.fake.platform.sandboxes.keys();
  expect(exitCode).toBe(5);
  expect(stderr).toContain(`dnah: the sandbox ${id} was not deleted.\nnext: dnah rm ${id}`);
});

test("the file that `dnah up` writes is enough to find the platform", async () => {
  await using cli = await cliFixture();
  writeFileSync(join(cli.home, "admin.key"), `${cli.fake.platform.apiKey}\n`);
  mkdirSync(join(cli.home, ".config/dnah"), { recursive: true });
  const config = { url: cli.fake.url, apiKeyFile: join(cli.home, "admin.key") };
  writeFileSync(join(cli.home, ".config/dnah/config.json"), JSON.stringify(config));
  const env = { DNAH_URL: undefined, DNAH_API_KEY: undefined };
  expect(await cli.start(["templates", "--json"], { env }).result).toMatchObject({ exitCode: 0 });
});

test("a platform that is not there is one sentence and a next step", async () => {
  await using cli = await cliFixture();
  const { exitCode, stderr } = await cli.run("ls", "--url", "http://127.0.0.1:1");
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(
    /^dnah: The platform can't be reached: .*ECONNREFUSED.*\nnext: Check that the platform runs.*\n$/,
  );
});
