/** Ends a postgres that an earlier run left behind on the same data. */
import { readFileSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Fast shutdown; and as hard as a crash after `graceMs`, which PostgreSQL survives by its log. */
export async function endEarlierRun(pgData: string, socketDir: string, graceMs: number): Promise<void> {
  const pid = runningPostmaster(pgData);
  if (pid !== undefined) {
    process.kill(pid, "SIGINT");
    const patience = Date.now() + graceMs;
    while (runningPostmaster(pgData) === pid) {
      if (Date.now() > patience) process.kill(pid, "SIGKILL");
      await sleep(50);
    }
  }
  // Of one that was killed: its number may belong to another program by now, and postgres would refuse to start.
  const left = [join(pgData, "postmaster.pid"), ...[".lock", ""].map((end) => join(socketDir, `.s.PGSQL.5432${end}`))];
  for (const file of left) rmSync(file, { force: true });
}

/** The process that holds this data directory: it is a postgres whose working directory is the data's. */
function runningPostmaster(pgData: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(pgData, "postmaster.pid"), "utf8"), 10);
    const isPostgres = readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "postgres";
    return isPostgres && readlinkSync(`/proc/${pid}/cwd`) === realpathSync(pgData) ? pid : undefined;
  } catch {
    return undefined; // no such file or process
  }
}
