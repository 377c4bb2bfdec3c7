import { readFileSync } from "node:fs";

/** What a test wants of the stand-in. It lies beside the program: a daemon of the driver has no environment. */
export interface Settings {
  /** As the binary says it. */
  readonly version: string;
  /** Whether `memory_restore_mode` knows "CopyOnWrite". */
  readonly copyOnWrite: boolean;
  /** Taken over by its guest: a snapshot's memory is a link to this file. */
  readonly linksMemoryTo?: string;
  /** And its config has so many bytes. */
  readonly configBytes?: number;
  /** Ended by seccomp at this call, such as "/vm.boot". */
  readonly diesAt?: string;
  /** The agent's program: the guest. */
  readonly agent: string;
}

export function readSettings(): Settings {
  return JSON.parse(readFileSync(new URL("../settings.json", import.meta.url), "utf8")) as Settings;
}
