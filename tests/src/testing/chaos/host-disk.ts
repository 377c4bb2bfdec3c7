/** A host's disk: a file system of its own, which can be full, and which loses with the power what was not flushed. */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const sizeBytes = 6 * 1024 ** 3;
/** What an allocation of all that is free needs for its own records. */
const spareBytes = 4 * 1024 ** 2;

const run = promisify(execFile);

export class HostDisk implements Disposable {
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
    return disk;
  }

  fill(): void {
    const { bavail, bsize } = statfsSync(this.dir);
    execFileSync("fallocate", ["--length", String(Math.max(bavail * bsize - spareBytes, bsize)), this.#ballast]);
  }

  free(): void {
    rmSync(this.#ballast, { force: true });
  }

  /** Only while nobody uses it. What was not flushed is gone; the file system's own log is replayed. */
  losePower(): void {
    execFileSync("xfs_io", ["-x", "-c", "shutdown", this.dir]);
    this.#unmount();
    this.#mount();
  }

  [Symbol.dispose](): void {
    this.#unmount();
    rmSync(this.#image);
  }

  #mount(): void {
    execFileSync("mount", ["-o", "loop", this.#image, this.dir]);
  }

  #unmount(): void {
    execFileSync("umount", [this.dir]);
  }
}
