import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { emptyLog, openLog, readLogTail } from "./log-file.ts";

let dir: string;
let log: string;
let link: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "dnah-log-"));
  [log, link] = [join(dir, "log"), join(dir, "link")];
  await writeFile(log, `${"x".repeat(1_000_000)}the end`);
  await symlink(log, link);
});
afterAll(() => rm(dir, { recursive: true }));

test("follows no link: neither to write, nor to empty, nor to read", async () => {
  for (const touch of [openLog, emptyLog, (path: string) => readLogTail(path, 10)]) {
    await expect(touch(link)).rejects.toThrow(/ELOOP/);
  }
  expect((await readFile(log)).length).toBe(1_000_007);
});

test("reads no more than the end, appends, and empties", async () => {
  expect(await readLogTail(log, 7)).toBe("the end");
  await (await openLog(log)).close();
  await emptyLog(log);
  expect(await readLogTail(log, 7)).toBe("");
});
