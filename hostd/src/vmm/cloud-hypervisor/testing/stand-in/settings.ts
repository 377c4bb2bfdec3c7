import { readFileSync } from "node:fs";

/** What a test wants of the stand-in. It lies beside the program: a daemon of the driver has no environment. */
export interface Settings {
  /** As the binary says it. */
  readonly version: string;
  /** Whether `memory_restore_mode` knows "CopyOnWrite". */
  readonly copyOnWrite: boolean;
  /** Taken over by its guest: puts a link to this file in the place of a snapshot's memory. */
  readonly linksMemoryTo?: string;
  /** The agent's program: the guest. */
  readonly agent: string;
}

export function readSettings(): Settings {
  return JSON.parse(readFileSync(new URL("../settings.json", import.meta.url), "utf8")) as Settings;
}
