import { open } from "node:fs/promises";
import { snapshotFilesOf } from "../snapshot-files.ts";

/** What a stand-in's memory begins with: the same in all VMs that come from one. */
export async function memoryMark(snapshotDir: string): Promise<string> {
  await using file = await open(snapshotFilesOf(snapshotDir).memory);
  const { buffer } = await file.read(Buffer.alloc(64), 0, 64, 0);
  return buffer.toString("latin1").trim();
}
