import { constants } from "node:fs";
import { chmod, chown, copyFile, mkdtemp, rename, rm, stat, statfs, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CommandRunner } from "../exec.ts";
import { type CopyMethod, type DesiredCopy, type DiskStep, planCopy } from "./plan.ts";

export interface DiskOptions {
  readonly signal: AbortSignal;
}

/** Copies a file as `planCopy` says. May be repeated; after a failure no half copy is left. */
export async function applyCopy(
  runner: CommandRunner,
  desired: DesiredCopy,
  method: CopyMethod,
  options: DiskOptions,
): Promise<void> {
  const steps = planCopy(desired, method);
  try {
    for (const step of steps) {
      options.signal.throwIfAborted();
      await applyStep(runner, step, options);
    }
  } catch (error) {
    await rm(`${desired.target}.draft`, { force: true });
    throw error;
  }
}

async function applyStep(runner: CommandRunner, step: DiskStep, options: DiskOptions): Promise<void> {
  switch (step.step) {
    case "remove":
      return rm(step.path, { force: true });
    case "reflink":
      return copyFile(step.source, step.target, constants.COPYFILE_FICLONE_FORCE);
    case "run":
      await runner.run(step.argv, options);
      return;
    case "grow":
      if ((await stat(step.path)).size > step.sizeBytes) {
        throw new RangeError(`${step.path}: is larger than ${step.sizeBytes} bytes already; images are never shrunk`);
      }
      return truncate(step.path, step.sizeBytes);
    case "chown":
      return chown(step.path, step.owner.uid, step.owner.gid);
    case "chmod":
      return chmod(step.path, step.mode);
    case "rename":
      return rename(step.from, step.to);
    default:
      step satisfies never;
  }
}

/** Finds out, by trying, whether files below `folder` can share blocks. */
export async function probeCopyMethod(folder: string): Promise<CopyMethod> {
  const scratch = await mkdtemp(join(folder, ".reflink-"));
  try {
    const source = join(scratch, "a");
    await writeFile(source, Buffer.alloc(4096, 1));
    await copyFile(source, join(scratch, "b"), constants.COPYFILE_FICLONE_FORCE);
    return "reflink";
  } catch {
    return "sparse";
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

export interface DiskSpace {
  readonly totalBytes: number;
  /** What a process without privileges could still write. */
  readonly availableBytes: number;
}

export async function readDiskSpace(folder: string): Promise<DiskSpace> {
  const { bsize, blocks, bavail } = await statfs(folder);
  return { totalBytes: bsize * blocks, availableBytes: bsize * bavail };
}
