import { join } from "node:path";
import type { DebianArchitecture } from "./architecture.ts";

export const defaultSuite = "bookworm";

/** Where the committed lock of a suite and architecture is. */
export function lockPath(suite: string, architecture: DebianArchitecture): string {
  return join(import.meta.dirname, "..", "lock", `${suite}-${architecture}.json`);
}
