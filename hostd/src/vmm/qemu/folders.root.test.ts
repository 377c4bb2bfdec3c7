import { chown, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { secureMemoryDir } from "./folders.ts";

test("refuses a memory folder that another user took first", async () => {
  const root = await mkdtemp(join(tmpdir(), "dnah-memory-"));
  onTestFinished(() => rm(root, { recursive: true }));
  const dir = join(root, "taken");
  await mkdir(dir, { mode: 0o711 });
  await chown(dir, 65_534, 65_534);
  await expect(secureMemoryDir(dir)).rejects.toThrow(/belongs to uid 65534, not 0/);
});
