/**
 * The uids of this daemon's VMs. Whoever runs under one of them is ours to end, so two daemons on one machine (a test
 * beside a platform, say) must not share them: the range comes from the data folder's path, and stays with the folder.
 */
import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** From 1879048192 to 2147483647 no distribution and no container tool gives uids to anyone (systemd's table of uids). */
const firstOfAll = 1_879_048_192;
const lastOfAll = 2_147_483_647;
/** Uids of one daemon, and so the most VMs it can have. */
export const uidsPerDaemon = 4_096;
const ranges = Math.floor((lastOfAll - firstOfAll) / uidsPerDaemon);

/** The first uid of the range. */
export async function readUidRange(dataDir: string, wanted: number | undefined): Promise<number> {
  const path = join(dataDir, "first-uid");
  const known = Number.parseInt(await readFile(path, "latin1").catch(() => ""), 10);
  if (Number.isSafeInteger(known)) {
    if (wanted === undefined || wanted === known) return known;
    throw new Error(`${dataDir} has VMs from uid ${known} on, and DNAH_VM_FIRST_UID says ${wanted}`);
  }
  const first = wanted ?? firstOfAll + rangeOf(dataDir) * uidsPerDaemon;
  await writeFile(`${path}.new`, `${first}\n`, { flush: true });
  await rename(`${path}.new`, path);
  return first;
}

function rangeOf(dataDir: string): number {
  return createHash("sha256").update(dataDir).digest().readUInt32BE(0) % ranges;
}
