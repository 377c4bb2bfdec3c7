import { constants } from "node:fs";
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "@daytonah/lib/sleep.ts";
import { CGROUP_CONTROLLERS, type CgroupController, type CgroupLimits, type CgroupStep, planCgroup } from "./plan.ts";

/** What of a VM's limits this host can enforce. */
export type CgroupSupport =
  | { readonly limits: "available"; readonly root: string; readonly controllers: readonly CgroupController[] }
  | { readonly limits: "unavailable"; readonly reason: string };

/** Where cgroup v2 is mounted: alone, or beside v1 on hosts in hybrid mode. */
const MOUNTS = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/**
 * Finds out which controllers cgroup v2 has here. The mount alone says nothing: on a host in hybrid mode it is there,
 * and cpu and memory belong to v1.
 */
export async function probeCgroup(mounts: readonly string[] = MOUNTS): Promise<CgroupSupport> {
  for (const root of mounts) {
    const text = await readOrUndefined(join(root, "cgroup.controllers"));
    if (text === undefined) {
      continue;
    }
    const present = text.trim().split(/\s+/);
    const controllers = CGROUP_CONTROLLERS.filter((one) => present.includes(one));
    return controllers.length === 0
      ? { limits: "unavailable", reason: `${root}/cgroup.controllers has none of ${CGROUP_CONTROLLERS.join(", ")}` }
      : { limits: "available", root, controllers };
  }
  return { limits: "unavailable", reason: "cgroup v2 is not mounted" };
}

/** Makes or changes a VM's cgroup and returns its path. Idempotent. */
export async function applyCgroup(
  support: Extract<CgroupSupport, { limits: "available" }>,
  place: { readonly parent: string; readonly name: string },
  limits: CgroupLimits,
): Promise<string> {
  // The parent's own files appear only when the root hands its controllers down.
  const handDown = support.controllers.map((one) => `+${one}`).join(" ");
  await applyStep({ step: "write", path: join(support.root, "cgroup.subtree_control"), text: handDown });
  const parent = join(support.root, place.parent);
  for (const step of planCgroup(parent, place.name, limits, support.controllers)) {
    await applyStep(step);
  }
  return join(parent, place.name);
}

/** Ends what still runs in a cgroup and removes it. Idempotent. */
export async function removeCgroup(path: string, options: { signal: AbortSignal }): Promise<void> {
  try {
    await writeControl(join(path, "cgroup.kill"), "1");
  } catch {
    // A kernel before 5.14 has no such file; then the caller's kill by uid has ended them.
  }
  for (;;) {
    try {
      return await rmdir(path);
    } catch (error) {
      const code = codeOf(error);
      if (code === "ENOENT") {
        return;
      }
      // A process that was killed leaves its cgroup when it is gone, a moment later.
      if (code !== "EBUSY") {
        throw error;
      }
    }
    await sleep(5, { signal: options.signal });
  }
}

async function applyStep(step: CgroupStep): Promise<void> {
  if (step.step === "mkdir") {
    await mkdir(step.path, { recursive: true });
  } else {
    await writeControl(step.path, step.text);
  }
}

/** Without making the file: one that is not there is a feature the kernel lacks. */
async function writeControl(path: string, text: string): Promise<void> {
  await writeFile(path, text, { flag: constants.O_WRONLY });
}

async function readOrUndefined(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") {
      return undefined;
    }
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
