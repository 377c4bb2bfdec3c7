import { join } from "node:path";

/** What a snapshot's folder holds. The first three are the VMM's, by its own names. */
export interface SnapshotFiles {
  readonly config: string;
  /** Devices and vCPUs. */
  readonly state: string;
  /** All regions of the guest's memory, one behind the other. */
  readonly memory: string;
  /** Ours, written last: a folder without it is no snapshot. */
  readonly manifest: string;
}

export function snapshotFilesOf(dir: string): SnapshotFiles {
  return {
    config: join(dir, "config.json"),
    state: join(dir, "state.json"),
    memory: join(dir, "memory-ranges"),
    manifest: join(dir, "manifest.json"),
  };
}
