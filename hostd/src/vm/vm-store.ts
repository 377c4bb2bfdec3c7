/**
 * The records on disk: `<data>/vms/<sandbox id>/vm.json`, and a tombstone with the last epoch for each VM that was
 * deleted. Each write is whole and survives a power cut before it is answered.
 */
import { mkdir, open, readdir, readFile, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readDiskSpace } from "../host/disk/apply.ts";
import { readRecord, type VmRecord } from "./vm-record.ts";

/** A late command for a deleted VM comes within minutes; this is generous. */
const tombstoneDays = 30;

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
  readonly #tombstones = new Map<string, number>();

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

  async freeDiskMib(): Promise<number> {
    return Math.floor((await readDiskSpace(this.#vmsDir)).availableBytes / (1024 * 1024));
  }

  async write(record: VmRecord): Promise<void> {
    const dir = this.dirOf(record.sandboxId);
    // The VM's own user passes through to its disk.
    if (record.state === "starting" && (await mkdir(dir, { recursive: true, mode: 0o711 }))) {
      await syncDir(this.#vmsDir);
    }
    await writeDurably(dir, "vm.json", `${JSON.stringify(record, null, 2)}\n`);
  }

  /** The disk first and the record last: what has no record never has a disk. */
  async remove(sandboxId: string): Promise<void> {
    await this.removeRootDisk(sandboxId);
    await rm(this.dirOf(sandboxId), { recursive: true, force: true });
  }

  async removeRootDisk(sandboxId: string): Promise<void> {
    const disk = this.rootDiskOf(sandboxId);
    await rm(disk, { force: true });
    await rm(`${disk}.draft`, { force: true });
  }

  async removeStray(sandboxId: string): Promise<void> {
    await rm(join(this.dirOf(sandboxId), "vm.json.new"), { force: true });
    await rmdir(this.dirOf(sandboxId));
  }

  /** Last epoch that was deleted; 0 where none was. */
  tombstone(sandboxId: string): number {
    return this.#tombstones.get(sandboxId) ?? 0;
  }

  async bury(sandboxId: string, epoch: number): Promise<void> {
    if (this.tombstone(sandboxId) >= epoch) return;
    this.#tombstones.set(sandboxId, epoch);
    await writeDurably(this.#tombstonesDir, sandboxId, `${epoch}\n`);
  }

  async load(now: Date): Promise<StoredVms> {
    await this.#loadTombstones(now);
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

  async #loadTombstones(now: Date): Promise<void> {
    for (const name of await readdir(this.#tombstonesDir)) {
      const path = join(this.#tombstonesDir, name);
      const epoch = Number.parseInt(await readFile(path, "utf8"), 10);
      const ageDays = (now.getTime() - (await stat(path)).mtimeMs) / 86_400_000;
      if (ageDays > tombstoneDays || name.endsWith(".new")) await rm(path, { force: true });
      else if (Number.isSafeInteger(epoch)) this.#tombstones.set(name, epoch);
    }
  }
}

async function writeDurably(dir: string, name: string, text: string): Promise<void> {
  const path = join(dir, name);
  await writeFile(`${path}.new`, text, { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
  await syncDir(dir);
}

async function syncDir(dir: string): Promise<void> {
  await using handle = await open(dir);
  await handle.sync();
}
