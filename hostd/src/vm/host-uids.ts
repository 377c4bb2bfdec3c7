/** Which users have processes: read from /proc. */
import { readdir, readFile } from "node:fs/promises";

/** uids in [first, first + count) that a process runs under. */
export async function uidsInUse(first: number, count: number): Promise<Set<number>> {
  const uids = new Set<number>();
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const status = await readFile(`/proc/${pid}/status`, "latin1").catch(() => ""); // it ended meanwhile
    const uid = Number(/^Uid:\t(\d+)/m.exec(status)?.[1] ?? -1);
    if (uid >= first && uid < first + count) uids.add(uid);
  }
  return uids;
}
