import type { ChApi, ChCallOptions } from "./api-client.ts";
import { ChApiError } from "./api-error.ts";

/** The majors this driver knows. A snapshot is of one version and of no other. */
const FIRST_MAJOR = 53;
const LAST_MAJOR = 54;

/** How guests' memory is laid out, and so how it comes back from a snapshot. */
export type RestoreStrategy =
  /** Memory is anonymous; a restore copies it. */
  | "copy"
  /** Memory is a private mapping of a file of ours; restored VMs map the snapshot's. From v51 on, with a stock binary. */
  | "cow-zone"
  /** Memory is anonymous; a restore maps the snapshot's file itself. After v53. */
  | "CopyOnWrite";

/** "v53.0", "v53.0-dirty", "cloud-hypervisor v53.0.0" → 53; undefined for another text. */
export function majorOf(version: string): number | undefined {
  const match = /(?:^|\s)v?(\d+)\.\d+/.exec(version);
  return match === null ? undefined : Number(match[1]);
}

/** Why a binary of this version can't be used, or undefined. */
export function versionLack(version: string): string | undefined {
  const major = majorOf(version);
  if (major !== undefined && major >= FIRST_MAJOR && major <= LAST_MAJOR) {
    return undefined;
  }
  return `Cloud Hypervisor is of version "${version.trim()}"; this driver knows v${FIRST_MAJOR} and v${LAST_MAJOR}`;
}

/** What a VMM that has no VM yet can do. The released v53 knows no copy-on-write of its own; what comes after it is asked. */
export async function probeStrategy(api: ChApi, version: string, options: ChCallOptions): Promise<RestoreStrategy> {
  if (majorOf(version) === FIRST_MAJOR) {
    return "cow-zone";
  }
  try {
    const nowhere = "file:///nonexistent/daytonah-probe";
    const probe = { source_url: nowhere, memory_restore_mode: "CopyOnWrite", resume: false } as const;
    await api.send("vm.restore", probe, options);
  } catch (error) {
    if (!(error instanceof ChApiError)) {
      throw error;
    }
    // Refused for the word itself, or for there being no such snapshot: then the word is known.
    return error.chain.some((text) => text.includes("unknown variant")) ? "cow-zone" : "CopyOnWrite";
  }
  throw new Error("vm.restore: restored a snapshot that is not there");
}
