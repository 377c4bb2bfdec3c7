/** `dnah shell` on a real terminal, against a fake platform. */
import { expect, test, vi } from "vitest";
import { inTerminal } from "../testing/in-terminal.ts";
import { cliFixture } from "../testing/run-cli.ts";

vi.setConfig({ testTimeout: 60_000 });

test("a shell gets every key as it is and every resize, and its exit code is ours", async () => {
  await using cli = await cliFixture();
  const id = (await cli.run("create")).stdout.trim();
  const terminal = inTerminal(["shell", id], cli.env, [100, 30]);
  await terminal.shown("xterm-256color $ ");
  terminal.askMode();
  await terminal.shown("<raw>");
  terminal.resize(120, 40);
  await terminal.shown("resized 120x40");
  terminal.type("exit 7\n");
  expect((await terminal.ended).exitCode).toBe(7);
});

test("the detach key leaves the terminal, which is found again where it was", async () => {
  await using cli = await cliFixture();
  const id = (await cli.run("create")).stdout.trim();
  const terminal = inTerminal(["shell", id], cli.env);
  await terminal.shown("$ ");
  terminal.type("before");
  await terminal.shown("before");
  terminal.type("\x1d");
  const { exitCode, all } = await terminal.ended;
  expect(exitCode).toBe(0);
  const [, process] = /back: dnah shell \S+ --attach (\S+)/.exec(all) ?? [];
  const again = inTerminal(["shell", id, "--attach", process as string], cli.env);
  await again.shown("$ before");
  again.type("\nexit 3\n");
  expect((await again.ended).exitCode).toBe(3);
});

test("the terminal is as it was after a failure", async () => {
  await using cli = await cliFixture();
  const id = (await cli.run("create")).stdout.trim();
  const terminal = inTerminal(["shell", id, "--attach", "none"], cli.env);
  const { exitCode, all } = await terminal.ended;
  expect(exitCode).toBe(125);
  expect(all).toContain("next: ");
  expect(await cli.run("shell", "--detach-key", "x", id)).toMatchObject({ exitCode: 125 });
});
