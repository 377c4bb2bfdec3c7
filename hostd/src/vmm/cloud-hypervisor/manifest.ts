import { readFile, rename } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import type { ChVmConfig } from "./api-types.ts";
import { snapshotFilesOf } from "./snapshot-files.ts";
import { openSynced, syncPath } from "./synced.ts";

/** What a VM must have in common with the one the snapshot was taken of: checked here, not found out by a crash. */
export interface SnapshotManifest {
  readonly driver: string;
  readonly format: number;
  /** The binary's own: no other version reads its snapshots. It has to be kept as long as they are. */
  readonly version: string;
  readonly cpu: string;
  readonly vcpus: number;
  readonly maxVcpus: number;
  readonly memoryMib: number;
  readonly disks: readonly string[];
  readonly nets: readonly string[];
}

/** And what its files are. */
export interface SnapshotContent {
  /** Whether memory lay in a zone of its own, and so can be mapped by those who are restored. */
  readonly zone: boolean;
  readonly memoryBytes: number;
  readonly sha256: { readonly config: string; readonly state: string };
}

export type SnapshotRecord = SnapshotManifest & { readonly content: SnapshotContent };

const FORMAT = 1;

/** What a config is, so far as a snapshot binds it: the same for the one we make and for the one the VMM writes down. */
export function manifestOf(driver: string, version: string, cpu: string, config: ChVmConfig): SnapshotManifest {
  const { cpus, memory, disks, net = [] } = config;
  const bytes = memory.zones?.reduce((sum, { size }) => sum + size, 0) ?? memory.size;
  return {
    ...{ driver, format: FORMAT, version, cpu },
    vcpus: cpus.boot_vcpus,
    maxVcpus: cpus.max_vcpus,
    memoryMib: bytes / 2 ** 20,
    disks: disks.map(({ id }) => id),
    nets: net.map(({ id }) => id),
  };
}

/** Makes a folder whose files are on disk into a snapshot. */
export async function writeManifest(dir: string, record: SnapshotRecord): Promise<void> {
  const path = snapshotFilesOf(dir).manifest;
  {
    await using draft = await openSynced(`${path}.draft`, 0o400);
    await draft.file.writeFile(`${JSON.stringify(record, undefined, 2)}\n`);
  }
  await rename(`${path}.draft`, path);
  await syncPath(dir);
}

/** Reads what a snapshot is of, and refuses one that this VM can't be restored from. */
export async function readManifest(dir: string, wanted: SnapshotManifest): Promise<SnapshotRecord> {
  const path = snapshotFilesOf(dir).manifest;
  const found = JSON.parse(await readFile(path, "utf8")) as SnapshotRecord;
  for (const [key, value] of Object.entries(wanted)) {
    const other = found[key as keyof SnapshotManifest];
    if (!isDeepStrictEqual(other, value)) {
      throw new Error(`${path}: ${key} is ${JSON.stringify(other)}, this VM has ${JSON.stringify(value)}`);
    }
  }
  return found;
}
