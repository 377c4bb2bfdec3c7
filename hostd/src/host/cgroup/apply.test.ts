import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { probeCgroup, removeCgroup } from "./apply.ts";

async function mountWith(controllers: string | undefined): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "dnah-cgroup-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  if (controllers !== undefined) {
    await writeFile(join(folder, "cgroup.controllers"), controllers);
  }
  return folder;
}

test("asks for the controllers, not for the mount", async () => {
  const whole = await mountWith("cpuset cpu io memory hugetlb pids rdma\n");
  expect(await probeCgroup([whole])).toEqual({
    limits: "available",
    root: whole,
    controllers: ["cpu", "memory", "pids"],
  });
  const hybrid = await mountWith("hugetlb\n");
  expect(await probeCgroup([hybrid])).toMatchObject({
    limits: "unavailable",
    reason: expect.stringMatching(/none of/),
  });
  const empty = await mountWith("\n");
  expect(await probeCgroup([empty])).toMatchObject({ limits: "unavailable" });
});

test("looks beside a v1 mount, and says where there is none at all", async () => {
  const v1 = await mountWith(undefined);
  const v2 = await mountWith("pids\n");
  expect(await probeCgroup([v1, v2])).toEqual({ limits: "available", root: v2, controllers: ["pids"] });
  expect(await probeCgroup([v1])).toEqual({ limits: "unavailable", reason: "cgroup v2 is not mounted" });
});

test("removing a cgroup may be repeated", async () => {
  const folder = await mountWith(undefined);
  const path = join(folder, "vm-1");
  await mkdir(path);
  await removeCgroup(path, { signal: AbortSignal.timeout(1000) });
  await removeCgroup(path, { signal: AbortSignal.timeout(1000) });
});
