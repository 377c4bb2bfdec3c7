import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createCommandRunner } from "../host/exec.ts";
import { VmFiles } from "./vm-files.ts";

test("a run directory is root's, and its VM alone may pass through it", async () => {
  const root = await mkdtemp(join(tmpdir(), "dnah-files-"));
  onTestFinished(() => rm(root, { recursive: true }));
  const firstUid = 2_100_000_000;
  const files = new VmFiles({ runDir: root, firstUid, runner: createCommandRunner(), copyMethod: "sparse" });
  await files.prepare();
  const { uid, gid, mode } = await stat(await files.makeRunDir(3));
  expect([uid, gid, mode & 0o777]).toEqual([0, firstUid + 3, 0o710]);
});
