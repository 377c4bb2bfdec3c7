import { stat } from "node:fs/promises";
import type { DiskStamp } from "./vm-record.ts";

/** What a disk is now; undefined where there is none. */
export async function readStamp(path: string): Promise<DiskStamp | undefined> {
  const found = await stat(path, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  return found && { mtimeNs: String(found.mtimeNs), sizeBytes: Number(found.size) };
}
