/** The files of VMs: root disks and run directories. Each step may be repeated. */
import { chmod, chown, link, mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { problem } from "@daytonah/lib/problem.ts";
import { applyCopy } from "../host/disk/apply.ts";
import type { CopyMethod, Owner } from "../host/disk/plan.ts";
import { CommandError, type CommandRunner } from "../host/exec.ts";

const mib = 1024 * 1024;

export interface VmFilesOptions {
  readonly runDir: string;
  /** uid of slot 0; each slot has the next. */
  readonly firstUid: number;
  readonly runner: CommandRunner;
  readonly copyMethod: CopyMethod;
}

export class VmFiles {
  readonly #vmsRunDir: string;
  readonly #runner: CommandRunner;
  readonly #copyMethod: CopyMethod;
  readonly firstUid: number;

  constructor(options: VmFilesOptions) {
    this.#vmsRunDir = join(options.runDir, "vm");
    this.firstUid = options.firstUid;
    this.#runner = options.runner;
    this.#copyMethod = options.copyMethod;
  }

  async prepare(): Promise<void> {
    await mkdir(this.#vmsRunDir, { recursive: true, mode: 0o711 });
    await chmod(this.#vmsRunDir, 0o711);
  }

  uidOf(slot: number): number {
    return this.firstUid + slot;
  }

  /** The slot whose user owns a file; undefined where it is nobody's of ours. */
  async slotOwning(path: string): Promise<number | undefined> {
    const owner = await stat(path).catch(() => undefined);
    return owner && owner.uid >= this.firstUid ? owner.uid - this.firstUid : undefined;
  }

  /** Short: unix sockets below it have room for 108 bytes. */
  runDirOf(slot: number): string {
    return join(this.#vmsRunDir, String(slot));
  }

  /** Ours: a VMM that was taken over shall not be able to exchange a log or a socket for a link. It may pass through. */
  async makeRunDir(slot: number): Promise<string> {
    const dir = this.runDirOf(slot);
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { mode: 0o700 });
    await chown(dir, process.geteuid?.() ?? 0, ownerOf(this.uidOf(slot)).gid);
    await chmod(dir, 0o710);
    return dir;
  }

  async removeRunDir(slot: number): Promise<void> {
    await rm(this.runDirOf(slot), { recursive: true, force: true });
  }

  /** Slots that have a run directory. */
  async usedSlots(): Promise<number[]> {
    return (await readdir(this.#vmsRunDir)).filter((name) => /^\d+$/.test(name)).map(Number);
  }

  /** Whether copies of disks share their blocks until they are written to. */
  get sharesBlocks(): boolean {
    return this.#copyMethod === "reflink";
  }

  /** What a copy of this disk takes at once. */
  async copyTakesMib(disk: string): Promise<number> {
    return this.sharesBlocks ? 0 : Math.ceil(((await stat(disk)).blocks * 512) / mib);
  }

  /** A disk's copy that is nobody's but ours. */
  async copyDisk(from: string, to: string, signal: AbortSignal): Promise<void> {
    const owner = ownerOf(process.geteuid?.() ?? 0);
    await applyCopy(this.#runner, { source: from, target: to, owner, mode: 0o400 }, this.#copyMethod, { signal });
  }

  /** Kept memory under a second name: nobody writes to it again, so it is nobody's copy. */
  async linkMemory(from: string, to: string): Promise<void> {
    await rm(to, { recursive: true, force: true });
    await mkdir(to, { mode: 0o700 });
    for (const name of await readdir(from)) await link(join(from, name), join(to, name));
  }

  /** Makes a disk that was written elsewhere the VM's own. */
  async giveDisk(path: string, slot: number): Promise<void> {
    const { uid, gid } = ownerOf(this.uidOf(slot));
    await chown(path, uid, gid);
  }

  /** A VM's own copy of a template's or snapshot's disk, grown to `sizeMib`. */
  async makeRootDisk(from: string, to: string, sizeMib: number, slot: number, signal: AbortSignal): Promise<void> {
    try {
      const desired = { source: from, target: to, sizeBytes: sizeMib * mib, owner: ownerOf(this.uidOf(slot)) };
      await applyCopy(this.#runner, desired, this.#copyMethod, { signal });
    } catch (cause) {
      if (!isNoSpace(cause)) throw cause;
      throw problem("HOST_NO_SPACE", "The host's disk has no room for the sandbox's disk.", { cause });
    }
  }
}

/** Without root (development, tests with the fake driver) everything stays ours. */
function ownerOf(uid: number): Owner {
  if (process.geteuid?.() === 0) return { uid, gid: uid };
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
}

export function isNoSpace(error: unknown): boolean {
  if (error instanceof CommandError) return error.stderr.includes("No space left on device"); // LC_ALL=C
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT";
}
