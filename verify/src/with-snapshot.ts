/** A snapshot of a sandbox that has just started, for creates that restore as those from a template with memory do. */
import { Client, Sandbox } from "daytonah";
import { lifeMemoryMib } from "./life-size.ts";

export async function withSnapshot<T>(work: (snapshotId: string) => Promise<T>): Promise<T> {
  const sandbox = await Sandbox.create({ memoryMib: lifeMemoryMib });
  const { id } = await sandbox.snapshot().finally(() => sandbox.kill({ purge: true }));
  try {
    return await work(id);
  } finally {
    await new Client().snapshots.delete(id);
  }
}
