/** What tells two states of a file apart over HTTP. */
import type { FileInfo } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import type { Coding } from "./content-coding.ts";

export interface FileValidators {
  readonly etag: string;
  /** In HTTP's form, whole seconds. */
  readonly lastModified: string;
}

/** A compressed representation is another one, and needs a tag of its own. */
export function validatorsOf({ inode, size, modifyTime }: FileInfo, coding?: Coding): FileValidators {
  const { seconds = 0n, nanos = 0 } = modifyTime ?? {};
  const parts = [inode, size, seconds * 1_000_000_000n + BigInt(nanos)].map((part) => BigInt(part).toString(36));
  const etag = `"${[...parts, ...(coding ? [coding] : [])].join("-")}"`;
  return { etag, lastModified: new Date(clampMs(seconds)).toUTCString() };
}

/** A guest's clock and its files' times are the guest's to set. */
function clampMs(seconds: bigint): number {
  const last = 253_402_300_799n; // of the year 9999
  return Number(seconds < 0n ? 0n : seconds > last ? last : seconds) * 1000;
}
