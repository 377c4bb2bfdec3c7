/** A file system of its own, in memory: copies of disks share blocks on it, and it may run full. */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { createCommandRunner } from "../host/exec.ts";

export interface LoopMount extends AsyncDisposable {
  readonly path: string;
}

/** 300 MiB is the least that xfs takes. */
export async function loopMount(sizeMib: number): Promise<LoopMount> {
  const runner = createCommandRunner();
  const options = () => ({ signal: AbortSignal.timeout(30_000) });
  const image = await mkdtemp("/dev/shm/dnah-disk-");
  const path = await mkdtemp("/tmp/dnah-disk-");
  await using made = new AsyncDisposableStack();
  made.defer(() => rm(image, { recursive: true }));
  made.defer(() => rm(path, { recursive: true }));
  const file = join(image, "image");
  await runner.run(["truncate", `--size=${sizeMib}M`, file], options());
  await runner.run(["mkfs.xfs", "-q", "-m", "reflink=1", file], options());
  await runner.run(["mount", "-o", "loop,discard", file, path], options());
  made.defer(async () => void (await runner.run(["umount", path], options())));
  const keep = made.move();
  return { path, [Symbol.asyncDispose]: () => keep.disposeAsync() };
}
