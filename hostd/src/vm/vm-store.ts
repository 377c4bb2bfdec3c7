/**
 * The records on disk: `<data>/vms/<sandbox id>/vm.json`, and a tombstone with the last epoch for each VM that was
 * deleted. Each write is whole and survives a power cut before it is answered.
 */
import { rmSync } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { readDiskSpace } from "../host/disk/apply.ts";
import { syncPath, writeDurably } from "../host/disk/durable.ts";
import { readStamp } from "./disk-stamp.ts";
import { type DiskStamp, readRecord, type VmRecord } from "./vm-record.ts";

/** A late command for a deleted VM comes within minutes; this is generous. */
const tombstoneMs = 86_400_000;

export interface StoredVms {
  readonly records: readonly VmRecord[];
  /** Folders without a record: a crash came before the first write or after the last removal. */
  readonly strays: readonly string[];
  /** Folders whose record can't be read. They may hold the only copy of something: left alone. */
  readonly unreadable: readonly { readonly sandboxId: string; readonly error: unknown }[];
}

export class VmStore {
  readonly #vmsDir: string;
  readonly #tombstonesDir: string;
  /** Those on disk. */
  readonly #tombstones = new Map<string, number>();
  /** Those that are being written. */
  readonly #burials = new Map<string, { readonly epoch: number; readonly written: Promise<void> }>();

  constructor(dataDir: string) {
    this.#vmsDir = join(dataDir, "vms");
    this.#tombstonesDir = join(dataDir, "tombstones");
  }

  async prepare(): Promise<void> {
    await mkdir(this.#vmsDir, { recursive: true, mode: 0o711 });
    await mkdir(this.#tombstonesDir, { recursive: true, mode: 0o700 });
  }

  dirOf(sandboxId: string): string {
    return join(this.#vmsDir, sandboxId);
  }

  rootDiskOf(sandboxId: string): string {
    return join(this.dirOf(sandboxId), "root.ext4");
  }

  /** Of a paused VM. */
  memoryOf(sandboxId: string): string {
    return join(this.dirOf(sandboxId), "memory");
  }

  /** Disk and memory of the snapshot it goes back to, before they take the places of its own. */
  rollBackOf(sandboxId: string): string {
    return join(this.dirOf(sandboxId), "rollback");
  }

  async freeDiskMib(): Promise<number> {
    return Math.floor((await readDiskSpace(this.#vmsDir)).availableBytes / (1024 * 1024));
  }

  async write(record: VmRecord): Promise<void> {
    const dir = this.dirOf(record.sandboxId);
    // The VM's own user passes through to its disk.
    if (record.state === "starting" && (await mkdir(dir, { recursive: true, mode: 0o711 }))) {
      await syncPath(this.#vmsDir);
    }
    await writeRecord(dir, record);
  }

  /** Gives a folder that was put together elsewhere its record and its place. */
  async takeIn(dir: string, record: VmRecord): Promise<void> {
    await writeRecord(dir, record);
    await rename(dir, this.dirOf(record.sandboxId));
    await syncPath(this.#vmsDir);
  }

  /** The disk first and the record last: what has no record never has a disk. */
  async remove(sandboxId: string): Promise<void> {
    await this.removeRootDisk(sandboxId);
    await this.removeMemory(sandboxId);
    await this.removeRollBack(sandboxId);
    await rm(this.dirOf(sandboxId), { recursive: true, force: true });
  }

  async removeRootDisk(sandboxId: string): Promise<void> {
    const disk = this.rootDiskOf(sandboxId);
    await rm(disk, { force: true });
    await rm(`${disk}.draft`, { force: true });
  }

  /** Whether there is memory that is whole: it takes its place last. */
  async hasMemory(sandboxId: string): Promise<boolean> {
    return (await stat(this.memoryOf(sandboxId)).catch(() => undefined)) !== undefined;
  }

  /** Kept memory, whole or half. */
  async removeMemory(sandboxId: string): Promise<void> {
    const memory = this.memoryOf(sandboxId);
    await rm(memory, { recursive: true, force: true });
    await rm(`${memory}.draft`, { recursive: true, force: true });
  }

  /** As `removeMemory`, but for the time it takes to give much memory's blocks back: they go behind the caller's back. */
  async discardMemory(sandboxId: string): Promise<void> {
    const memory = this.memoryOf(sandboxId);
    const names = await readdir(memory).catch(() => []);
    // Without a name, but open: the last close frees it, and a crash does too. What can't be opened is waited for.
    const held = await Promise.allSettled(names.map((name) => open(join(memory, name))));
    try {
      await this.removeMemory(sandboxId);
    } finally {
      for (const file of held) if (file.status === "fulfilled") void file.value.close();
    }
  }

  async removeRollBack(sandboxId: string): Promise<void> {
    const rollBack = this.rollBackOf(sandboxId);
    await rm(rollBack, { recursive: true, force: true });
    await rm(`${rollBack}.draft`, { recursive: true, force: true });
  }

  /** What the root disk is now; undefined where there is none. */
  stampOf(sandboxId: string): Promise<DiskStamp | undefined> {
    return readStamp(this.rootDiskOf(sandboxId));
  }

  /** The stamp of a root disk that nobody writes to, once all of it is on disk. */
  async sealDisk(sandboxId: string): Promise<DiskStamp> {
    await syncPath(this.rootDiskOf(sandboxId));
    const stamp = await this.stampOf(sandboxId);
    if (!stamp) throw new Error(`${sandboxId} has no root disk`);
    return stamp;
  }

  async removeStray(sandboxId: string): Promise<void> {
    await rm(join(this.dirOf(sandboxId), "vm.json.new"), { force: true });
    await rmdir(this.dirOf(sandboxId));
  }

  /** Last epoch that was deleted, or is about to be: no start of it may slip in meanwhile. 0 where none was. */
  tombstone(sandboxId: string): number {
    return Math.max(this.#tombstones.get(sandboxId) ?? 0, this.#burials.get(sandboxId)?.epoch ?? 0);
  }

  /** Resolves when it is on disk. One that could not be written counts for nothing: a repeat writes it. */
  async bury(sandboxId: string, epoch: number): Promise<void> {
    if ((this.#tombstones.get(sandboxId) ?? 0) >= epoch) return;
    const before = this.#burials.get(sandboxId);
    if (before && before.epoch >= epoch) return before.written;
    const burial = { epoch, written: this.#writeTombstone(sandboxId, epoch, before?.written) };
    this.#burials.set(sandboxId, burial);
    try {
      await burial.written;
    } finally {
      if (this.#burials.get(sandboxId) === burial) this.#burials.delete(sandboxId);
    }
  }

  async #writeTombstone(sandboxId: string, epoch: number, before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => undefined); // both write the same file
    await writeDurably(this.#tombstonesDir, sandboxId, `${epoch}\n`);
    this.#tombstones.set(sandboxId, epoch);
  }

  /** Removes the old ones. */
  async pruneTombstones(now: Date): Promise<void> {
    for (const [sandboxId, epoch] of [...this.#tombstones]) {
      const path = join(this.#tombstonesDir, sandboxId);
      if (now.getTime() - (await stat(path)).mtimeMs <= tombstoneMs) continue;
      // In one go with the removal: a later epoch may be buried at any moment.
      if (this.tombstone(sandboxId) !== epoch) continue;
      rmSync(path, { force: true });
      this.#tombstones.delete(sandboxId);
    }
  }

  async load(now: Date): Promise<StoredVms> {
    await this.#loadTombstones();
    await this.pruneTombstones(now);
    const records: VmRecord[] = [];
    const strays: string[] = [];
    const unreadable: { sandboxId: string; error: unknown }[] = [];
    for (const sandboxId of await readdir(this.#vmsDir)) {
      try {
        records.push(readRecord(await readFile(join(this.dirOf(sandboxId), "vm.json"), "utf8"), sandboxId));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") strays.push(sandboxId);
        else unreadable.push({ sandboxId, error });
      }
    }
    return { records, strays, unreadable };
  }

  async #loadTombstones(): Promise<void> {
    for (const name of await readdir(this.#tombstonesDir)) {
      const path = join(this.#tombstonesDir, name);
      if (name.endsWith(".new")) {
        await rm(path, { force: true });
        continue;
      }
      const epoch = Number.parseInt(await readFile(path, "utf8"), 10);
      if (Number.isSafeInteger(epoch)) this.#tombstones.set(name, epoch);
    }
  }
}

function writeRecord(dir: string, record: VmRecord): Promise<void> {
  return writeDurably(dir, "vm.json", `${JSON.stringify(record, null, 2)}\n`);
}
