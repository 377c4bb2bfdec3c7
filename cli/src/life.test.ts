/** The commands that move a sandbox as a whole, as processes, against a fake platform. */
import { expect, test, vi } from "vitest";
import { cliFixture } from "./testing/run-cli.ts";

vi.setConfig({ testTimeout: 60_000 });

test("pause, resume, fork, lineage, timeout", async () => {
  await using cli = await cliFixture();
  const id = (await cli.run("create", "--timeout", "30m", "--idle-timeout", "90s", "--auto-resume")).stdout.trim();
  const { info } = cli.fake.platform.sandbox(id);
  expect(info.lifecycle).toMatchObject({
    timeout: { seconds: 1_800n },
    idleTimeout: { seconds: 90n },
    autoResume: true,
  });
  expect((await cli.run("create", "--timeout", "soon")).exitCode).toBe(2);
  expect(await cli.run("pause", id)).toMatchObject({ exitCode: 0, stdout: `${id}\n` });
  expect((await cli.run("ls")).stdout).toMatch(new RegExp(`^${id} +paused `, "m"));
  expect(await cli.run("resume", id)).toMatchObject({ exitCode: 0, stdout: `${id}\n` });
  cli.fake.platform.room = 3;
  const forked = await cli.run("fork", id, "-n", "3", "-m", "job=7");
  expect(forked.stdout.trim().split("\n")).toHaveLength(2);
  expect(forked).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("No host has room.") });
  expect((await cli.run("fork", id, "-n", "0")).exitCode).toBe(2);
  expect((await cli.run("lineage", id)).stdout.match(/^child /gm)).toHaveLength(2);
  expect((await cli.run("timeout", id, "12h")).stdout).toMatch(/^\d{4}-.*Z\n$/);
  expect((await cli.run("timeout", id, "none")).stdout).toBe("none\n");
});

test("snapshots are taken, listed, rolled back to and deleted", async () => {
  await using cli = await cliFixture();
  const id = (await cli.run("create")).stdout.trim();
  const snapshot = (await cli.run("snapshot", "create", id, "-n", "first")).stdout.trim();
  expect((await cli.run("snapshot", "ls", "--sandbox", id)).stdout).toMatch(/^snap_1 +ready .* 3 +yes +first$/m);
  expect((await cli.run("rollback", id, snapshot)).stdout).toBe(`${id}\n`);
  const made = (await cli.run("create", "--snapshot", snapshot)).stdout.trim();
  expect(cli.fake.platform.sandbox(made).info.snapshotId).toBe(snapshot);
  expect((await cli.run("snapshot", "rm", snapshot)).stdout).toBe(`${snapshot}\n`);
  expect((await cli.run("rollback", id, snapshot)).exitCode).toBe(1);
});

test("a delete is taken back with restore, unless it was for good", async () => {
  await using cli = await cliFixture();
  const id = (await cli.run("create")).stdout.trim();
  await cli.run("rm", id);
  expect((await cli.run("ls", "-q")).stdout).toBe("");
  expect((await cli.run("ls", "--deleted")).stdout).toMatch(new RegExp(`^${id} +deleted \\(kept until .*Z\\)`, "m"));
  expect((await cli.run("restore", id)).stdout).toBe(`${id}\n`);
  expect((await cli.run("ls", "--deleted", "-q")).stdout).toBe("");
  await cli.run("rm", "--purge", id);
  expect((await cli.run("restore", id)).exitCode).toBe(1);
});
