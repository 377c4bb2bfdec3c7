/** The commands that look into a sandbox, as processes, against a fake platform. */
import net from "node:net";
import { fakeEvent } from "daytonah/testing/fake-event.ts";
import { type FakeLogLine, fakeLogEntry } from "daytonah/testing/fake-log-entry.ts";
import { expect, test, vi } from "vitest";
import { type CliFixture, cliFixture } from "./testing/run-cli.ts";

vi.setConfig({ testTimeout: 60_000 });

const newSandbox = async (cli: CliFixture) => (await cli.run("create", "-m", "job=7")).stdout.trim();

test("logs shows what there is, and with -f what comes until Ctrl-C", async () => {
  await using cli = await cliFixture();
  const id = await newSandbox(cli);
  const { logs } = cli.fake.platform.sandbox(id);
  const time = new Date("2026-01-02T03:04:05Z");
  const line = (facts: Omit<FakeLogLine, "time">) => logs.add(fakeLogEntry({ ...facts, time }));
  line({ source: "console", text: "Linux version 6.1" });
  line({ source: "process", label: "stderr", text: "oh no", processId: "build" });
  expect(await cli.run("logs", id)).toMatchObject({
    exitCode: 0,
    stdout: "console | Linux version 6.1\nprocess build stderr | oh no\n",
  });
  const shown = await cli.run("logs", id, "--source", "process", "--timestamps");
  expect(shown.stdout).toBe("2026-01-02T03:04:05.000Z process build stderr | oh no\n");
  const following = cli.start(["logs", "-f", "--tail", "0", id]);
  await expect.poll(() => cli.fake.platform.count("ReadLogs"), { timeout: 20_000 }).toBe(3);
  line({ source: "agent", label: "info", text: "started build" });
  await following.printed("agent info | started build\n");
  following.child.kill("SIGINT");
  expect(await following.result).toMatchObject({ exitCode: 130, stderr: "" });
});

test("events shows what is kept, and with -f what happens until Ctrl-C", async () => {
  await using cli = await cliFixture();
  const { platform } = cli.fake;
  fakeEvent(platform, "sandbox.running", "s1");
  fakeEvent(platform, "sandbox.failed", "s2", { reason: "VM_DIED" });
  expect(await cli.run("events")).toMatchObject({
    exitCode: 0,
    stdout:
      "2026-01-02T03:04:05.000Z  1       sandbox.running     s1\n" +
      "2026-01-02T03:04:05.000Z  2       sandbox.failed      s2  reason=VM_DIED\n",
  });
  expect(JSON.parse((await cli.run("events", "--sandbox", "s1", "--json")).stdout)).toMatchObject({ cursor: "1" });
  const following = cli.start(["events", "-f", "--cursor", "1"]);
  await following.printed("sandbox.failed");
  fakeEvent(platform, "sandbox.deleting", "s2");
  await following.printed("sandbox.deleting");
  following.child.kill("SIGINT");
  expect(await following.result).toMatchObject({ exitCode: 130, stderr: "" });
});

test("ports are listed with who may reach them, opened, closed and watched", async () => {
  await using cli = await cliFixture();
  const id = await newSandbox(cli);
  const { servers } = cli.fake.platform.sandbox(id);
  servers.set(8080, (socket) => socket.destroy());
  expect((await cli.run("ports", id)).stdout).toMatch(/^8080 +127\.0\.0\.1 +private +8180 +python3$/m);
  expect((await cli.run("ports", id, "--public", "8080")).stdout).toMatch(/^8080 .* public /m);
  expect((await cli.run("ports", id, "--private", "8080")).stdout).toMatch(/^8080 .* private /m);
  expect((await cli.run("ports", id, "--public", "70000")).exitCode).toBe(2);
  const opened = await cli.run("open", id, "8080", "--print");
  expect(opened).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^http\S+\n$/) });
});

test("forward leads connections to a sandbox's port until Ctrl-C", async () => {
  await using cli = await cliFixture();
  const id = await newSandbox(cli);
  cli.fake.platform.sandbox(id).servers.set(8080, (socket) => socket.pipe(socket));
  const forward = cli.start(["--json", "forward", id, "0:8080"]);
  await forward.printed("}\n");
  const { localPort } = JSON.parse(forward.stdout()) as { localPort: number };
  const socket = net.connect(localPort, "127.0.0.1");
  socket.end("echoed");
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  expect(answer).toBe("echoed");
  forward.child.kill("SIGINT");
  expect(await forward.result).toMatchObject({ exitCode: 130 });
});

test("watch shows changes as they happen", async () => {
  await using cli = await cliFixture();
  const id = await newSandbox(cli);
  const watching = cli.start(["watch", "-r", id, "/home/user"]);
  await watching.printed("dnah: watching");
  await cli.start(["cp", "-", `${id}:src/new.txt`], { input: "x" }).result;
  await watching.printed("src/new.txt\n");
  watching.child.kill("SIGINT");
  expect((await watching.result).stdout).toMatch(/^created +src\/new\.txt$/m);
});

test("label, ps and metrics", async () => {
  await using cli = await cliFixture();
  const id = await newSandbox(cli);
  expect((await cli.run("label", id, "user=1", "job-")).stdout).toBe("user=1\n");
  expect((await cli.run("label", id, "nothing")).exitCode).toBe(2);
  await cli.run("exec", id, "--", "echo", "x");
  expect((await cli.run("ps", "--all", id)).stdout).toMatch(/ exit 0 +echo x$/m);
  expect((await cli.run("metrics", id)).stdout).toMatch(/ 12\.5 +64 +512 /);
  expect(JSON.parse((await cli.run("metrics", "--json", "--history", id)).stdout)).toHaveLength(2);
});

test("completion knows commands, options and the ids of sandboxes, for bash, zsh and fish", async () => {
  await using cli = await cliFixture();
  const id = await newSandbox(cli);
  expect((await cli.run("complete", "--", "sh")).stdout).toMatch(/^shell\t/m);
  expect((await cli.run("complete", "--", "shell", "--det")).stdout).toMatch(/^--detach-key\t/m);
  expect((await cli.run("complete", "--", "shell", "")).stdout).toContain(`${id}\trunning job=7\n`);
  for (const shell of ["bash", "zsh", "fish"]) {
    const { exitCode, stdout } = await cli.run("completion", shell);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining("dnah complete -- ")]);
  }
  const unreachable = await cli.run("complete", "--", "shell", "", "--url", "http://127.0.0.1:1");
  expect(unreachable.exitCode).toBe(0);
});
