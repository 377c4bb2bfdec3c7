import { appendFile, mkdtemp, open, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ConsoleFile } from "./console-file.ts";
import { trimFile } from "./folders.ts";

async function fixture() {
  const folder = await mkdtemp("/var/tmp/dnah-console-");
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "console");
  await writeFile(path, "");
  const file = new ConsoleFile(path);
  return { path, read: async () => Buffer.from(await file.read()).toString() };
}

test("a console is read once, from where it was left", async () => {
  const { path, read } = await fixture();
  expect(await read()).toBe("");
  await appendFile(path, "one\n");
  expect(await read()).toBe("one\n");
  await appendFile(path, "two\n");
  expect([await read(), await read()]).toEqual(["two\n", ""]);
});

test("of a flood the end is read, and what it takes on the disk is given back", async () => {
  const { path, read } = await fixture();
  // As the VMM has it open: at a place of its own, not at the end.
  await using vmm = await open(path, "r+");
  await vmm.write("x".repeat(300_000));
  expect((await read()).length).toBe(64 * 1024);
  await trimFile(path, 1_000_000);
  expect((await vmm.stat()).size).toBe(300_000);
  await trimFile(path, 100_000);
  expect(await read()).toBe("");
  await vmm.write("end\n");
  expect((await vmm.stat()).blocks * 512).toBeLessThan(100_000);
  expect((await read()).slice(-4)).toBe("end\n");
});

test("goes on where the file was written from its start again", async () => {
  const { path, read } = await fixture();
  await appendFile(path, "first\n");
  await read();
  await truncate(path, 0);
  await appendFile(path, "new\n");
  expect(await read()).toBe("new\n");
});

test("follows no link", async () => {
  const { path } = await fixture();
  await symlink(path, `${path}-link`);
  await expect(new ConsoleFile(`${path}-link`).read()).rejects.toThrow(/ELOOP/);
});
