/**
 * Snapshots on disk: `<data>/snapshots/<id>/` with disk, memory, and a manifest that is written last. They are nobody's but
 * ours, and nobody writes to them again: VMs that are made from one have copies, or map its memory privately.
 */
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { problem } from "@daytonah/lib/problem.ts";
import { syncPath, writeDurably } from "../host/disk/durable.ts";
import type { VmImages, VmSizes } from "./vm-record.ts";

export interface SnapshotManifest extends VmSizes {
  readonly formatVersion: 1;
  readonly snapshotId: string;
  readonly sandboxId: string;
  /** That of the sandbox then. */
  readonly epoch: number;
  readonly template: string;
  readonly images: VmImages;
  /** What a child that boots from its disk has for an environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly memoryKept: boolean;
  /** Without what it shares. */
  readonly sizeBytes: number;
}

export interface Snapshot {
  readonly manifest: SnapshotManifest;
  readonly disk: string;
  /** Absent where memory is not in it. */
  readonly memory?: string;
}

/** Folder of a snapshot that is being made. */
export interface SnapshotDraft {
  readonly dir: string;
  readonly disk: string;
  /** Exists where memory is kept. */
  readonly memory: string;
}

interface Kept {
  readonly manifest: SnapshotManifest;
  users: number;
  /** Resolves when nobody uses it. */
  unused: PromiseWithResolvers<void>;
}

export class SnapshotStore {
  readonly #dir: string;
  readonly #kept = new Map<string, Kept>();
  readonly #drafts = new Map<string, Promise<unknown>>();

  constructor(dataDir: string) {
    this.#dir = join(dataDir, "snapshots");
  }

  /** Finds those there are and removes halves. Returns the folders that can't be read: they are left alone. */
  async open(): Promise<readonly { readonly snapshotId: string; readonly error: unknown }[]> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const unreadable: { snapshotId: string; error: unknown }[] = [];
    for (const name of await readdir(this.#dir)) {
      if (name.endsWith(".draft") || name.endsWith(".gone")) {
        await rm(join(this.#dir, name), { recursive: true, force: true });
        continue;
      }
      try {
        this.#keep(readManifest(await readFile(join(this.#dir, name, "manifest.json"), "utf8"), name));
      } catch (error) {
        unreadable.push({ snapshotId: name, error });
      }
    }
    return unreadable;
  }

  list(): SnapshotManifest[] {
    return [...this.#kept.values()]
      .map(({ manifest }) => manifest)
      .sort((a, b) => (a.snapshotId < b.snapshotId ? -1 : 1));
  }

  get(snapshotId: string): SnapshotManifest | undefined {
    return this.#kept.get(snapshotId)?.manifest;
  }

  /** The snapshot, which stays until this is disposed of. */
  use(snapshotId: string): { readonly snapshot: Snapshot } & Disposable {
    const kept = this.#kept.get(snapshotId);
    if (!kept) {
      throw problem("SNAPSHOT_NOT_FOUND", `This host has no snapshot ${snapshotId}.`, {
        metadata: { snapshot_id: snapshotId },
      });
    }
    if (kept.users === 0) kept.unused = Promise.withResolvers();
    kept.users += 1;
    const { disk, memory } = placesIn(join(this.#dir, snapshotId));
    const { manifest } = kept;
    return {
      snapshot: { manifest, disk, ...(manifest.memoryKept ? { memory } : {}) },
      [Symbol.dispose]() {
        kept.users -= 1;
        if (kept.users === 0) kept.unused.resolve();
      },
    };
  }

  /** Has one made: `fill` puts disk and memory into the draft, and says what they are. On failure nothing is left. */
  async make(snapshotId: string, fill: (draft: SnapshotDraft) => Promise<SnapshotManifest>): Promise<SnapshotManifest> {
    if (this.#drafts.has(snapshotId) || this.#kept.has(snapshotId)) {
      throw problem("SANDBOX_STATE_CONFLICT", `The snapshot ${snapshotId} is there, or is being made, already.`, {
        metadata: { snapshot_id: snapshotId },
      });
    }
    const making = this.#make(snapshotId, fill).finally(() => this.#drafts.delete(snapshotId));
    this.#drafts.set(snapshotId, making);
    return making;
  }

  /** Idempotent. Waits for whoever makes it, or makes a VM from it. */
  async delete(snapshotId: string): Promise<void> {
    const making = this.#drafts.get(snapshotId);
    if (making) await making.catch(() => undefined);
    const kept = this.#kept.get(snapshotId);
    this.#kept.delete(snapshotId); // nobody begins to use it from here on
    await kept?.unused.promise;
    const gone = join(this.#dir, `${snapshotId}.gone`);
    try {
      await rename(join(this.#dir, snapshotId), gone);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
        if (kept) this.#kept.set(snapshotId, kept); // so that a repeat finds it
        throw error;
      }
    }
    await syncPath(this.#dir);
    await rm(gone, { recursive: true, force: true });
  }

  async #make(snapshotId: string, fill: (draft: SnapshotDraft) => Promise<SnapshotManifest>) {
    const draft = join(this.#dir, `${snapshotId}.draft`);
    try {
      await rm(draft, { recursive: true, force: true });
      await mkdir(draft, { mode: 0o700 });
      const manifest = await fill(placesIn(draft));
      await writeDurably(draft, "manifest.json", `${JSON.stringify(manifest, null, 2)}\n`);
      await rename(draft, join(this.#dir, snapshotId));
      await syncPath(this.#dir);
      this.#keep(manifest);
      return manifest;
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      throw error;
    }
  }

  #keep(manifest: SnapshotManifest): void {
    const unused = Promise.withResolvers<void>();
    unused.resolve();
    this.#kept.set(manifest.snapshotId, { manifest, users: 0, unused });
  }
}

/** Throws where it is none that this release or an older one wrote. */
export function readManifest(text: string, snapshotId: string): SnapshotManifest {
  const manifest = JSON.parse(text) as SnapshotManifest;
  if (manifest.formatVersion !== 1 || manifest.snapshotId !== snapshotId) {
    throw new Error(`manifest.json of ${snapshotId} is no manifest of this release`);
  }
  return manifest;
}

function placesIn(dir: string) {
  return { dir, disk: join(dir, "root.ext4"), memory: join(dir, "memory") };
}
