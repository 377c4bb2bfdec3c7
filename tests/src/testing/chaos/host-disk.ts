/** A host's disk: a file system of its own, which can be full, and which loses with the power what was not flushed. */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/** A sparse file. Room for all that clients leave: a disk of 2 GiB is refused where not as much is free, and paused memories add up. */
const sizeBytes = 48 * 1024 ** 3;
/** Much less than a guest's memory. */
const spareBytes = 8 * 1024 ** 2;

const closeMs = 10_000;

const run = promisify(execFile);

export class HostDisk implements AsyncDisposable {
  readonly dir: string;
  readonly #image: string;
  readonly #ballast: string;

  private constructor(dir: string) {
    this.dir = dir;
    this.#image = `${dir}.xfs`;
    this.#ballast = join(dir, "ballast");
  }

  /** With a copy of `folder` on it. */
  static async make(dir: string, folder: string): Promise<HostDisk> {
    const disk = new HostDisk(dir);
    mkdirSync(dir);
    writeFileSync(disk.#image, "");
    truncateSync(disk.#image, sizeBytes);
    await run("mkfs.xfs", ["-q", "-m", "reflink=1", disk.#image]);
    disk.#mount();
    await run("cp", ["--recursive", "--sparse=always", folder, join(dir, basename(folder))]);
    await run("sync", ["--file-system", dir]);
    return disk;
  }

  /** All but what the file system needs for its own records: half of what is left, again and again. */
  fill(): void {
    mkdirSync(this.#ballast);
    for (let count = 0; ; count++) {
      const { bavail, bsize } = statfsSync(this.dir);
      if (bavail * bsize < spareBytes) return;
      const half = Math.ceil(bavail / 2) * bsize;
      execFileSync("fallocate", ["--length", String(half), join(this.#ballast, String(count))]);
    }
  }

  free(): void {
    rmSync(this.#ballast, { recursive: true, force: true });
  }

  /** Only while nobody uses it. What was not flushed is gone; the file system's own log is replayed. */
  async losePower(): Promise<void> {
    execFileSync("xfs_io", ["-x", "-c", "shutdown", this.dir]);
    await this.#unmount();
    this.#mount();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unmount();
    rmSync(this.#image);
  }

  #mount(): void {
    execFileSync("mount", ["-o", "loop", this.#image, this.dir]);
  }

  /** The files of a process that was killed are closed a moment after it has ended. */
  async #unmount(): Promise<void> {
    const until = performance.now() + closeMs;
    for (;;) {
      try {
        await run("umount", [this.dir]);
        return;
      } catch (error) {
        if (performance.now() > until) throw error;
        await sleep(20);
      }
    }
  }
}
