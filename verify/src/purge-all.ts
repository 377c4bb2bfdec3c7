import type { Sandbox } from "daytonah";

/** Nothing is left of them, no tombstone either: its disk would be there until its time is over. */
export async function purgeAll(sandboxes: readonly Sandbox[]): Promise<void> {
  await Promise.all(sandboxes.map((sandbox) => sandbox.kill({ purge: true })));
}
